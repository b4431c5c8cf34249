/*
 * connector/store/policies.c - a table with one place for each remainder of a text's hash
 *
 * The newer text takes the place. Texts are compared whole, so that nobody can make one policy pass
 * for another.
 */
#include "connector/store/policies.h"

#include <pthread.h>

#include "lib/base/check.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

struct kept_policy {
    char *text; /* owned; NULL: the place is free */
    size_t n;
    struct policy *policy; /* a reference */
};

struct policies {
    pthread_mutex_t lock; /* guards kept */
    struct kept_policy kept[POLICIES_KEPT];
};

static void clear(struct kept_policy *kept)
{
    free(kept->text);
    policy_unref(&kept->policy);
    *kept = (struct kept_policy){0};
}

int policies_open(struct policies **ret_policies, struct err *err)
{
    struct policies *policies = calloc(1, sizeof(*policies));

    if (policies == NULL)
        return err_set(err, E_NO_MEMORY, "", "policies");
    CHECK(pthread_mutex_init(&policies->lock, NULL) == 0);
    *ret_policies = policies;
    return 0;
}

void policies_close(struct policies **policies_address)
{
    struct policies *policies = MOVE(*policies_address);

    if (policies == NULL)
        return;
    for (size_t i = 0; i < POLICIES_KEPT; i++)
        clear(&policies->kept[i]);
    (void)pthread_mutex_destroy(&policies->lock);
    free(policies);
}

static struct policy *find(struct policies *policies, struct str text)
{
    const struct kept_policy *kept = &policies->kept[str_hash(text) % POLICIES_KEPT];
    struct policy *found = NULL;

    CHECK(pthread_mutex_lock(&policies->lock) == 0);
    if (kept->text != NULL && str_eq(text, str_n(kept->text, kept->n)))
        found = policy_ref(kept->policy);
    CHECK(pthread_mutex_unlock(&policies->lock) == 0);
    return found;
}

/* Without memory it is compiled again next time. */
static void keep(struct policies *policies, struct str text, struct policy *policy)
{
    struct kept_policy *place = &policies->kept[str_hash(text) % POLICIES_KEPT];
    struct kept_policy fresh = {.n = text.n}, old;

    if (text.n == 0 || text.n > POLICIES_TEXT_MAX || (fresh.text = malloc(text.n)) == NULL)
        return;
    memcpy(fresh.text, text.p, text.n);
    fresh.policy = policy_ref(policy);
    CHECK(pthread_mutex_lock(&policies->lock) == 0);
    old = *place;
    *place = fresh;
    CHECK(pthread_mutex_unlock(&policies->lock) == 0);
    clear(&old);
}

/* `doc` is what `text` says. */
static int compile(struct policies *policies, struct str text, const struct jval *doc,
                   struct policy **ret_policy, struct err *err)
{
    if (policy_compile(doc, ret_policy, err) < 0)
        return err_ret(err);
    keep(policies, text, *ret_policy);
    return 0;
}

int policies_get(struct policies *policies, struct str text, struct policy **ret_policy,
                 struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    if ((*ret_policy = find(policies, text)) != NULL)
        return 0;
    if (jdoc_parse(text, NULL, &doc, err) < 0)
        return err_ret(err);
    return compile(policies, text, jdoc_root(doc), ret_policy, err);
}

int policies_of(struct policies *policies, const struct jval *doc, struct policy **ret_policy,
                struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(POLICIES_TEXT_MAX);

    jval_write(&text, doc);
    if (buf_failed(&text))
        return policy_compile(doc, ret_policy, err);
    if ((*ret_policy = find(policies, buf_str(&text))) != NULL)
        return 0;
    return compile(policies, buf_str(&text), doc, ret_policy, err);
}
