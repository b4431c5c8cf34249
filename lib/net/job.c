/*
 * lib/net/job.c - one request: checked and copied when it is submitted
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

static bool is_header_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

static bool is_header_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.n > 0;
}

static bool append(struct fetch *job, const char *line)
{
    struct curl_slist *longer = curl_slist_append(job->headers, line);

    if (longer != NULL)
        job->headers = longer;
    return longer != NULL;
}

static int copy_header(struct fetch *job, const struct fetch_header *header, struct err *err)
{
    AUTO(buf_done) struct buf line = buf_init(KIB(32));

    if (!is_header_name(header->name) || !is_header_text(header->value))
        return err_set(err, E_INVALID, "", "header '%.*s' is malformed (RFC 9110 §5)",
                       STR_ARG(header->name));
    buf_add_str(&line, header->name);
    /* curl's notation: "Name:" would remove a header, "Name;" sends an empty one */
    buf_add_c(&line, header->value.n > 0 ? ": " : ";");
    buf_add_str(&line, header->value);
    buf_add(&line, "", 1);
    if (buf_failed(&line) || !append(job, line.p))
        return err_set(err, E_LIMIT, "", "header '%.*s'", STR_ARG(header->name));
    return 0;
}

static int copy_headers(struct fetch *job, const struct fetch_request *request, struct err *err)
{
    bool typed = false;

    for (size_t i = 0; i < request->n_headers; i++) {
        if (copy_header(job, &request->headers[i], err) < 0)
            return err_ret(err);
        typed = typed || str_eq_nocase(request->headers[i].name, STR("Content-Type"));
    }
    if (request->source != NULL && request->source_length < 0 &&
        !append(job, "Transfer-Encoding: chunked"))
        return err_set(err, E_NO_MEMORY, "", "request headers");
    /* what curl would add on its own: a pause before larger bodies, and a form's content type */
    if (!append(job, "Expect:") || (!typed && !append(job, "Content-Type:")))
        return err_set(err, E_NO_MEMORY, "", "request headers");
    return 0;
}

void fetch__job_free(struct fetch **job)
{
    struct fetch *mine = MOVE(*job);

    if (mine == NULL)
        return;
    free(mine->method);
    free(mine->url);
    free(mine->peer_key);
    curl_slist_free_all(mine->headers);
    buf_done(&mine->head_text);
    buf_done(&mine->content);
    free(mine);
}

int fetch__job_new(struct fetcher *fetcher, const struct fetch_request *request,
                   struct fetch **ret_job, struct err *err)
{
    AUTO(fetch__job_free) struct fetch *job = calloc(1, sizeof(*job));
    AUTO(buf_done) struct buf key = buf_init(LIMIT_URL + 16);

    if (job == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    if (memchr(request->url.p, '\0', request->url.n) != NULL)
        return err_set(err, E_PEER_ADDRESS, "", "URL contains NUL");
    CHECK(request->done != NULL && is_header_name(str_c(request->method)));
    job->fetcher = fetcher;
    job->method = strdup(request->method);
    job->url = strndup(request->url.p, request->url.n);
    if (job->method == NULL || job->url == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    if (fetch__url_check(fetcher, job->url, &key, err) < 0 || copy_headers(job, request, err) < 0)
        return err_ret(err);
    job->peer_key = strndup(key.p, key.n);
    if (job->peer_key == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    job->guest = request->guest;
    job->body = request->body;
    job->source = request->source;
    job->source_length = request->source_length;
    job->max_response = request->max_response > 0 ? request->max_response : LIMIT_JSON_BYTES;
    job->min_rate = request->min_rate;
    job->deadline_us = request->deadline_mono_us > 0
                           ? request->deadline_mono_us
                           : env_mono_us(fetcher->env) + FETCH_DEADLINE_US;
    job->head = request->head;
    job->sink = request->sink;
    job->done = request->done;
    job->cls = request->cls;
    job->head_text = buf_init(FETCH_HEAD_BYTES);
    job->content = buf_init(job->max_response + 1); /* and a NUL */
    *ret_job = MOVE(job);
    return 0;
}
