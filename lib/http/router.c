/*
 * lib/http/router.c - from method and raw path to a route
 *
 * A tree with one level per segment. A node's literal children are sorted and tried first, then its
 * parameter, then routes that end here as a prefix; a branch that leads nowhere is left again, so
 * `/a/{id}/c` is found although `/a/b` exists. The walk is as deep as the longest route, not as the
 * path. Segments are compared percent-decoded; only here is a path decoded, once.
 */
#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/http/http_private.h"

#include "lib/base/banned.h"

struct node {
    struct str literal;     /* borrowed from the route's path */
    struct node **children; /* owned, sorted by literal */
    size_t n_children;
    struct node *param; /* owned */
    const struct http_route **exact;
    size_t n_exact;
    const struct http_route **prefix;
    size_t n_prefix;
};

struct router {
    struct node root;
    bool tolerate_slashes;
};

struct walk {
    const struct router *router;
    struct rq *rq;
    struct str params[HTTP_PARAMS];
    unsigned n_params;
};

/* -- building: at start only, so without memory it aborts -------------------------------------- */

static void *grown(void *items, size_t n, size_t size)
{
    void *p = reallocarray(items, n + 1, size);

    CHECK(p != NULL);
    return p;
}

static struct node *new_node(struct str literal)
{
    struct node *node = calloc(1, sizeof(*node));

    CHECK(node != NULL);
    node->literal = literal;
    return node;
}

/* Index of the child with this literal, or where it belongs. */
static size_t child_index(const struct node *node, struct str literal, bool *ret_found)
{
    size_t low = 0;
    size_t high = node->n_children;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(literal, node->children[middle]->literal);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_found = false;
    return low;
}

static struct node *child_make(struct node *node, struct str segment)
{
    bool found;
    size_t at;

    if (segment.n > 0 && segment.p[0] == '{') {
        if (node->param == NULL)
            node->param = new_node(STR_NONE);
        return node->param;
    }
    at = child_index(node, segment, &found);
    if (!found) {
        node->children = grown(node->children, node->n_children, sizeof(node->children[0]));
        for (size_t i = node->n_children; i > at; i--)
            node->children[i] = node->children[i - 1];
        node->children[at] = new_node(segment);
        node->n_children++;
    }
    return node->children[at];
}

static void add_route(const struct http_route ***routes, size_t *n, const struct http_route *route)
{
    for (size_t i = 0; i < *n; i++)
        CHECK(strcmp((*routes)[i]->method, route->method) != 0); /* two routes for one request */
    CHECK(*n < HTTP_METHODS);
    *routes = grown(*routes, *n, sizeof(**routes));
    (*routes)[(*n)++] = route;
}

static void add(struct router *router, const struct http_route *route)
{
    bool is_prefix = (route->flags & HTTP_PREFIX) != 0;
    struct str path = str_c(route->path);
    struct node *node = &router->root;
    unsigned params = 0;

    CHECK(path.n > 0 && path.p[0] == '/' && route->handler != NULL);
    path = str_from(path, 1);
    if ((is_prefix || router->tolerate_slashes) && (path.n == 0 || path.p[path.n - 1] == '/'))
        path = path.n == 0 ? STR_NONE : str_n(path.p, path.n - 1);
    while (str_present(path)) {
        struct str segment = str_cut(&path, '/');

        params += segment.n > 0 && segment.p[0] == '{';
        node = child_make(node, segment);
    }
    CHECK(params <= HTTP_PARAMS);
    if (is_prefix)
        add_route(&node->prefix, &node->n_prefix, route);
    else
        add_route(&node->exact, &node->n_exact, route);
}

static void free_inside(struct node *node)
{
    for (size_t i = 0; i < node->n_children; i++) {
        free_inside(node->children[i]);
        free(node->children[i]);
    }
    if (node->param != NULL)
        free_inside(node->param);
    free(node->param);
    free(node->children);
    free(node->exact);
    free(node->prefix);
}

struct router *http__router_new(const struct http_route *const *tables, size_t n_tables,
                                bool tolerate_slashes)
{
    struct router *router = calloc(1, sizeof(*router));

    CHECK(router != NULL);
    router->tolerate_slashes = tolerate_slashes;
    for (size_t i = 0; i < n_tables; i++)
        for (const struct http_route *route = tables[i]; route->method != NULL; route++)
            add(router, route);
    return router;
}

void http__router_free(struct router **router)
{
    if (*router == NULL)
        return;
    free_inside(&(*router)->root);
    free(*router);
    *router = NULL;
}

/* -- matching ---------------------------------------------------------------------------------- */

/* The segment's text; STR_NONE if it is not well-formed. */
static struct str decode(struct rq *rq, struct str raw)
{
    AUTO(buf_done) struct buf out = buf_init(raw.n);

    if (memchr(raw.p, '%', raw.n) == NULL)
        return raw;
    if (!decode_percent(&out, raw) || buf_failed(&out))
        return STR_NONE;
    return arena_str(rq->arena, buf_str(&out));
}

static void allow(struct rq_private *priv, const char *method)
{
    for (unsigned i = 0; i < priv->n_allow; i++)
        if (strcmp(priv->allow[i], method) == 0)
            return;
    if (priv->n_allow < HTTP_METHODS)
        priv->allow[priv->n_allow++] = method;
}

/*
 * The route of this method; HEAD is answered by GET's, and "*" by any. Without one its methods are
 * noted for Allow.
 */
static const struct http_route *choose(struct walk *walk, const struct http_route **routes,
                                       size_t n)
{
    const char *const wanted[] = {walk->rq->method.p,
                                  str_eq(walk->rq->method, STR("HEAD")) ? "GET" : "*", "*"};

    for (size_t w = 0; w < ARRAY_LEN(wanted); w++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(routes[i]->method, wanted[w]) == 0)
                return routes[i];
    for (size_t i = 0; i < n; i++) {
        allow(walk->rq->priv, routes[i]->method);
        if (strcmp(routes[i]->method, "GET") == 0)
            allow(walk->rq->priv, "HEAD");
    }
    return NULL;
}

/* `path` is what is left of the raw path, from its slash on; empty at the end. */
static const struct http_route *match(struct walk *walk, const struct node *node, struct str path);

static const struct http_route *match_children(struct walk *walk, const struct node *node,
                                               struct str path)
{
    const struct http_route *route = NULL;
    struct str rest = str_from(path, 1);
    const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
    struct str segment = slash != NULL ? str_n(rest.p, (size_t)(slash - rest.p)) : rest;
    struct str text = decode(walk->rq, segment);
    bool found;
    size_t at;

    rest = str_from(rest, segment.n);
    if (!str_present(text))
        return NULL;
    at = child_index(node, text, &found);
    if (found)
        route = match(walk, node->children[at], rest);
    if (route == NULL && node->param != NULL && text.n > 0) {
        CHECK(walk->n_params < HTTP_PARAMS);
        walk->params[walk->n_params++] = text;
        route = match(walk, node->param, rest);
        if (route == NULL)
            walk->n_params--;
    }
    return route;
}

static const struct http_route *match(struct walk *walk, const struct node *node, struct str path)
{
    const struct http_route *route;
    struct str left = path;

    if (walk->router->tolerate_slashes) {
        while (left.n > 1 && left.p[1] == '/')
            left = str_from(left, 1);
        if (left.n == 1)
            left = str_from(left, 1);
    }
    route =
        left.n == 0 ? choose(walk, node->exact, node->n_exact) : match_children(walk, node, left);
    if (route != NULL || node->n_prefix == 0)
        return route;
    route = choose(walk, node->prefix, node->n_prefix);
    if (route != NULL) {
        struct str full = str_c(route->path);

        walk->rq->rest = full.p[full.n - 1] == '/' ? str_from(path, 1) : path;
    }
    return route;
}

/*
 * Malformed escapes anywhere make the path malformed, not unknown; so do bytes that are no UTF-8,
 * which a database would refuse later as a failure of ours.
 */
static bool well_formed(struct str path)
{
    AUTO(buf_done) struct buf out = buf_init(path.n);

    return memchr(path.p, '%', path.n) == NULL ||
           (decode_percent(&out, path) && str_is_utf8(buf_str(&out)));
}

int http__route(const struct router *router, struct rq *rq, struct err *err)
{
    struct walk walk = {.router = router, .rq = rq};
    struct rq_private *priv = rq->priv;

    if (!well_formed(rq->path))
        return err_tell(err, E_SYNTAX, "", "path has a malformed escape (RFC 3986 §2.1)");
    rq->route = match(&walk, &router->root, rq->path);
    if (rq->route == NULL && priv->n_allow > 0)
        return err_set(err, E_METHOD, "", "no route '%.*s %.*s'", STR_ARG(rq->method),
                       STR_ARG(rq->path));
    if (rq->route == NULL)
        return err_set(err, E_NOT_FOUND, "", "no route '%.*s %.*s'", STR_ARG(rq->method),
                       STR_ARG(rq->path));
    memcpy(priv->params, walk.params, sizeof(walk.params));
    priv->n_params = walk.n_params;
    return 0;
}
