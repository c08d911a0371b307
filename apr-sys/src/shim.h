/* What bindgen cannot see: variadic functions and function-like macros. One line of C each. */
#ifndef MW_SHIM_H
#define MW_SHIM_H

#include "httpd.h"
#include "apr_buckets.h"
#include "apr_thread_proc.h"
#include "http_config.h"
#include "scoreboard.h"

/* Called once per load so that LogLevel wsgi:... finds the module's index. */
void mw_set_module(module *m);

void mw_log_server(int level, apr_status_t status, const server_rec *s, const char *text);
void mw_log_request(int level, apr_status_t status, const request_rec *r, const char *text);
void mw_log_pool(int level, apr_status_t status, apr_pool_t *p, const char *text);
int mw_server_log_level(const server_rec *s);
int mw_request_log_level(const request_rec *r);
/* Gives the request a log id if it has none. */
const char *mw_request_log_id(request_rec *r);

apr_pool_t *mw_pool_create(apr_pool_t *parent);
void mw_pool_destroy(apr_pool_t *p);

int mw_brigade_empty(apr_bucket_brigade *bb);
apr_bucket *mw_brigade_first(apr_bucket_brigade *bb);
int mw_brigade_is_sentinel(apr_bucket_brigade *bb, apr_bucket *b);
apr_bucket *mw_bucket_next(apr_bucket *b);
void mw_brigade_append(apr_bucket_brigade *bb, apr_bucket *b);
apr_status_t mw_bucket_setaside(apr_bucket *b, apr_pool_t *p);
void mw_brigade_concat(apr_bucket_brigade *to, apr_bucket_brigade *from);
void mw_bucket_delete(apr_bucket *b);
int mw_bucket_is_eos(apr_bucket *b);
int mw_bucket_is_metadata(apr_bucket *b);
apr_status_t mw_bucket_read(apr_bucket *b, const char **data, apr_size_t *len, int block);
apr_status_t mw_bucket_split(apr_bucket *b, apr_size_t point);

void *mw_get_module_config(const ap_conf_vector_t *v, const module *m);
void mw_set_module_config(ap_conf_vector_t *v, const module *m, void *value);

apr_socket_t *mw_client_socket(const request_rec *r);
/* What is readable when a stream of HTTP/2 has input, -1 if mod_http2 has nothing of that kind. */
int mw_stream_fd(const request_rec *r);
int mw_is_status_eagain(apr_status_t s);
int mw_is_status_timeup(apr_status_t s);
int mw_method_get(void);
const char *mw_scheme(request_rec *r);
/* 1 when the first output filter is a content filter (HEAD mapping "Auto", spec/behaviour.md §1.7). */
int mw_has_content_filter(const request_rec *r);
/* Name of the client by HostnameLookups, NULL if httpd has none. */
const char *mw_client_name(request_rec *r);
/* The client's address of a scoreboard entry; the field depends on the version of httpd. */
void mw_worker_client(const worker_score *w, char *text, apr_size_t size);
int mw_qualify_redirect_url(const request_rec *r);
/* EnableSendfile On, and no EnableMMAP Off. */
#define MW_SENDFILE 1
#define MW_MMAP 2
int mw_file_ways(const request_rec *r);
int mw_cgi_pass_auth(const request_rec *r);
/* 1 when CGIVar REQUEST_URI is current-uri. */
int mw_request_uri_is_current(const request_rec *r);

#endif
