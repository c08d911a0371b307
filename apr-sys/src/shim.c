/* What bindgen cannot see: variadic functions and function-like macros. No logic. */
#include "shim.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "apr_buckets.h"
#include "apr_optional.h"
#include "apr_poll.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "util_filter.h"

static module *mw_module;
static int mw_index = APLOG_NO_MODULE;

void mw_set_module(module *m) { mw_module = m; mw_index = m->module_index; }

/* The index is set by httpd after registration, so it is read at each use. */
#undef APLOG_MODULE_INDEX
#define APLOG_MODULE_INDEX (mw_module ? mw_module->module_index : mw_index)

void mw_log_server(int level, apr_status_t status, const server_rec *s, const char *text)
{
    ap_log_error(NULL, 0, APLOG_MODULE_INDEX, level, status, s, "%s", text);
}

void mw_log_request(int level, apr_status_t status, const request_rec *r, const char *text)
{
    ap_log_rerror(NULL, 0, APLOG_MODULE_INDEX, level, status, r, "%s", text);
}

void mw_log_pool(int level, apr_status_t status, apr_pool_t *p, const char *text)
{
    ap_log_perror(NULL, 0, APLOG_MODULE_INDEX, level, status, p, "%s", text);
}

int mw_server_log_level(const server_rec *s) { return ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX); }
int mw_request_log_level(const request_rec *r) { return ap_get_request_module_loglevel(r, APLOG_MODULE_INDEX); }

const char *mw_request_log_id(request_rec *r)
{
    if (r->log_id == NULL) {
        const char *id = NULL;
        ap_run_generate_log_id(r->connection, r, &id);
        r->log_id = id;
    }
    return r->log_id;
}

apr_pool_t *mw_pool_create(apr_pool_t *parent)
{
    apr_pool_t *p = NULL;
    return apr_pool_create(&p, parent) == APR_SUCCESS ? p : NULL;
}
void mw_pool_destroy(apr_pool_t *p) { apr_pool_destroy(p); }

int mw_brigade_empty(apr_bucket_brigade *bb) { return APR_BRIGADE_EMPTY(bb); }
apr_bucket *mw_brigade_first(apr_bucket_brigade *bb) { return APR_BRIGADE_FIRST(bb); }
int mw_brigade_is_sentinel(apr_bucket_brigade *bb, apr_bucket *b) { return b == APR_BRIGADE_SENTINEL(bb); }
apr_bucket *mw_bucket_next(apr_bucket *b) { return APR_BUCKET_NEXT(b); }
void mw_brigade_append(apr_bucket_brigade *bb, apr_bucket *b) { APR_BRIGADE_INSERT_TAIL(bb, b); }
void mw_brigade_concat(apr_bucket_brigade *to, apr_bucket_brigade *from) { APR_BRIGADE_CONCAT(to, from); }
apr_status_t mw_bucket_setaside(apr_bucket *b, apr_pool_t *p) { return apr_bucket_setaside(b, p); }
void mw_bucket_delete(apr_bucket *b) { apr_bucket_delete(b); }
int mw_bucket_is_eos(apr_bucket *b) { return APR_BUCKET_IS_EOS(b); }
int mw_bucket_is_metadata(apr_bucket *b) { return APR_BUCKET_IS_METADATA(b); }
apr_status_t mw_bucket_read(apr_bucket *b, const char **data, apr_size_t *len, int block)
{
    return apr_bucket_read(b, data, len, block ? APR_BLOCK_READ : APR_NONBLOCK_READ);
}
apr_status_t mw_bucket_split(apr_bucket *b, apr_size_t point) { return apr_bucket_split(b, point); }

void *mw_get_module_config(const ap_conf_vector_t *v, const module *m) { return ap_get_module_config(v, m); }
void mw_set_module_config(ap_conf_vector_t *v, const module *m, void *value) { ap_set_module_config(v, m, value); }

/* Streams of HTTP/2 have no socket to poll: mod_http2 gives them one that is connected to nobody, and always hung up. */
apr_socket_t *mw_client_socket(const request_rec *r)
{
    if (r->connection->master) return NULL;
    return ap_get_conn_socket(r->connection);
}

/* mod_http2's own declaration, which httpd before 2.4.58 has not. */
APR_DECLARE_OPTIONAL_FN(apr_status_t, http2_get_pollfd_from_conn,
                        (conn_rec *, struct apr_pollfd_t *, apr_interval_time_t *));

int mw_stream_fd(const request_rec *r)
{
    APR_OPTIONAL_FN_TYPE(http2_get_pollfd_from_conn) *get = APR_RETRIEVE_OPTIONAL_FN(http2_get_pollfd_from_conn);
    apr_pollfd_t polled;
    apr_os_file_t file = -1;
    apr_os_sock_t socket = -1;

    memset(&polled, 0, sizeof(polled));
    if (!get || !r->connection->master || get(r->connection, &polled, NULL) != APR_SUCCESS) return -1;
    if (polled.desc_type == APR_POLL_FILE && polled.desc.f) {
        return apr_os_file_get(&file, polled.desc.f) == APR_SUCCESS ? file : -1;
    }
    if (polled.desc_type == APR_POLL_SOCKET && polled.desc.s) {
        return apr_os_sock_get(&socket, polled.desc.s) == APR_SUCCESS ? socket : -1;
    }
    return -1;
}

int mw_is_status_eagain(apr_status_t s) { return APR_STATUS_IS_EAGAIN(s); }
int mw_is_status_timeup(apr_status_t s) { return APR_STATUS_IS_TIMEUP(s); }
int mw_method_get(void) { return M_GET; }
const char *mw_scheme(request_rec *r) { return ap_http_scheme(r); }

int mw_has_content_filter(const request_rec *r)
{
    return r->output_filters && r->output_filters->frec
        && r->output_filters->frec->ftype < AP_FTYPE_PROTOCOL;
}

const char *mw_client_name(request_rec *r)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 56)
    return ap_get_useragent_host(r, REMOTE_HOST, NULL);
#else
    return ap_get_remote_host(r->connection, r->per_dir_config, REMOTE_HOST, NULL);
#endif
}

void mw_worker_client(const worker_score *w, char *text, apr_size_t size)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 83)
    apr_cpystrn(text, w->client64, size < sizeof(w->client64) ? size : sizeof(w->client64));
#else
    apr_cpystrn(text, w->client, size < sizeof(w->client) ? size : sizeof(w->client));
#endif
}

static core_dir_config *core_dir(const request_rec *r)
{
    return ap_get_core_module_config(r->per_dir_config);
}

int mw_qualify_redirect_url(const request_rec *r) { return core_dir(r)->qualify_redirect_url == AP_CORE_CONFIG_ON; }

int mw_file_ways(const request_rec *r)
{
    return (core_dir(r)->enable_sendfile == ENABLE_SENDFILE_ON ? MW_SENDFILE : 0)
        | (core_dir(r)->enable_mmap != ENABLE_MMAP_OFF ? MW_MMAP : 0);
}

int mw_cgi_pass_auth(const request_rec *r) { return core_dir(r)->cgi_pass_auth == AP_CGI_PASS_AUTH_ON; }

int mw_request_uri_is_current(const request_rec *r)
{
    apr_hash_t *rules = core_dir(r)->cgi_var_rules;
    const char *rule = rules ? apr_hash_get(rules, "REQUEST_URI", APR_HASH_KEY_STRING) : NULL;
    return rule && !strcasecmp(rule, "current-uri");
}
