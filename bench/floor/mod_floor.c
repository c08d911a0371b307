/* The floor of the benchmark: the least that a handler in httpd can cost. It answers every request for the handler "floor"
 * from memory, after it has read the request's body and dropped it. The end of the path chooses what it answers.
 * Built with apxs by bench/servers.py; no part of mod_wsgi. */

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "util_filter.h"

#define BLOCK 4096
#define BLOCKS 256

static char body[BLOCK * BLOCKS];

/* Reads what httpd's filters give and looks at nothing. */
static int drop_body(request_rec *r)
{
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    int ended = 0;

    while (!ended) {
        apr_bucket *bucket;

        if (ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES, APR_BLOCK_READ, 65536) != APR_SUCCESS)
            return HTTP_BAD_REQUEST;
        for (bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade); bucket = APR_BUCKET_NEXT(bucket))
            ended = ended || APR_BUCKET_IS_EOS(bucket);
        apr_brigade_cleanup(brigade);
    }
    return OK;
}

/* One megabyte in so many buckets, which are never copied. */
static int large(request_rec *r, int count)
{
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t size = sizeof(body) / count;
    int n;

    ap_set_content_length(r, sizeof(body));
    for (n = 0; n < count; n++)
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_immortal_create(body + n * size, size, brigade->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(brigade->bucket_alloc));
    ap_pass_brigade(r->output_filters, brigade);
    return OK;
}

static int hello(request_rec *r)
{
    static const char text[] = "Hello world!\n";

    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(text) - 1);
    ap_rwrite(text, sizeof(text) - 1, r);
    return OK;
}

static int answer(request_rec *r)
{
    int status;

    if (!r->handler || strcmp(r->handler, "floor"))
        return DECLINED;
    if ((status = drop_body(r)) != OK)
        return status;
    if (!strcmp(r->uri, "/response"))
        return large(r, 1);
    if (!strcmp(r->uri, "/blocks"))
        return large(r, BLOCKS);
    return hello(r);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    memset(body, 'x', sizeof(body)); /* pages of its own, as an application's bytes have, not the one of zeros */
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(floor) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks };
