-- name: dsp_catalogue_assets
-- in:
-- out:  asset_id:text properties:text data_address:text
SELECT asset_id, properties, data_address
  FROM asset
 ORDER BY asset_id;

-- name: dsp_catalogue_policies
-- in:
-- out:  policy_id:text policy:text
SELECT policy_id, policy
  FROM policy_definition
 ORDER BY policy_id;

-- name: dsp_catalogue_definitions
-- in:
-- out:  definition_id:text access_policy_id:text contract_policy_id:text selector:text private_properties:text
SELECT definition_id, access_policy_id, contract_policy_id, selector, private_properties
  FROM contract_definition
 ORDER BY definition_id;

-- name: dsp_assets_by_property
-- in:   name:text value:text
-- out:  asset_id:text
SELECT asset_id
  FROM asset_property
 WHERE name = $1
   AND value = $2
 ORDER BY asset_id;
