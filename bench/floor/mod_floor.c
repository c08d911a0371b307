/* The floor of the benchmark: the least that a handler in httpd can cost. Answers every request for the handler "floor"
 * with 13 bytes from memory. Built with apxs by bench/servers.py; no part of mod_wsgi. */

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

static int answer(request_rec *r)
{
    static const char body[] = "Hello world!\n";

    if (!r->handler || strcmp(r->handler, "floor"))
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(body) - 1);
    ap_rwrite(body, sizeof(body) - 1, r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(floor) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks };
