-- name: entity_property_insert
-- in:   entity:text id:text name:text value:text
-- out:
INSERT INTO entity_property (entity, id, name, value)
VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING;

-- name: entity_property_clear
-- in:   entity:text id:text
-- out:
DELETE FROM entity_property
 WHERE entity = $1
   AND id = $2;
