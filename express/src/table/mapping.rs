//! What URLs lead to: files, other servers, and who may use them.

use super::{OptionGroup, OptionState, ValueKind, flag, row, text};

pub(super) const MAPPING: OptionGroup = OptionGroup {
    heading: "Static files and URLs",
    rows: &[
        text(
            "document-root",
            &["DIRECTORY"],
            "(SERVER-ROOT/htdocs)",
            "DocumentRoot",
            "Files found here are sent; everything else goes to the application.",
        ),
        text(
            "url-alias",
            &["URL-PATH", "FILE|DIRECTORY"],
            "",
            "Alias",
            "Serve a folder or one file at this path.",
        )
        .list(),
        text("directory-index", &["NAME"], "", "DirectoryIndex", "The file that stands for its folder."),
        flag("directory-listing", "Options +Indexes", "List the files of folders of the document root."),
        text("allow-override", &["CLASS"], "None", "AllowOverride", "What .htaccess files may set.").list(),
        text("error-document", &["STATUS", "URL-PATH"], "", "ErrorDocument", "The page for a status.").list(),
        flag("error-override", "WSGIErrorOverride", "Error pages of httpd replace those of the application."),
        flag("compress-responses", "AddOutputFilterByType DEFLATE", "Compress responses that are text."),
        text(
            "add-handler",
            &["EXTENSION", "SCRIPT"],
            "",
            "AddHandler, WSGIHandlerScript",
            "Files of the document root with this extension are given to a Python script.",
        )
        .list(),
        flag("with-cgi", "AddHandler cgi-script", "Run *.cgi files of the document root."),
        text(
            "rewrite-rules",
            &["FILE"],
            "(SERVER-ROOT/rewrite.conf)",
            "Include",
            "Rewrite rules that hold before the application is asked.",
        ),
        text("include-file", &["FILE"], "", "Include", "A file with further directives, read last.").list(),
        text(
            "mime-types",
            &["FILE"],
            "(the system's mime.types)",
            "TypesConfig",
            "The file with the types of file extensions.",
        ),
        flag("with-php5", "", "Run PHP 5.").state(OptionState::Hidden),
    ],
};

const PATH_URL: &[&str] = &["URL-PATH", "URL"];

pub(super) const PROXYING: OptionGroup = OptionGroup {
    heading: "Proxying and trust",
    rows: &[
        text("proxy-mount-point", PATH_URL, "", "ProxyPass", "Another server answers below this path.")
            .list(),
        text("proxy-url-alias", PATH_URL, "", "ProxyPass", "The same as --proxy-mount-point.")
            .list()
            .state(OptionState::Hidden),
        text(
            "proxy-virtual-host",
            &["NAME", "URL"],
            "",
            "<VirtualHost>, ProxyPass",
            "Another server answers for this host name.",
        )
        .list(),
        text(
            "trust-proxy",
            &["ADDRESS"],
            "",
            "WSGITrustedProxies",
            "An address or network of proxies in front, whose headers are believed.",
        )
        .list(),
        text(
            "trust-proxy-header",
            &["NAME"],
            "",
            "WSGITrustedProxyHeaders",
            "A header that such a proxy sets.",
        )
        .list(),
    ],
};

pub(super) const ACCESS: OptionGroup = OptionGroup {
    heading: "Access",
    rows: &[
        text(
            "host-access-script",
            &["FILE"],
            "",
            "WSGIAccessScript",
            "A script with allow_access(), asked about each request.",
        ),
        text(
            "auth-user-script",
            &["FILE"],
            "",
            "WSGIAuthUserScript",
            "A script with check_password() (Basic) or get_realm_hash() (Digest).",
        ),
        row(
            "auth-type",
            ValueKind::Word(&["Basic", "Digest"]),
            &["TYPE"],
            "Basic",
            "AuthType",
            "How clients prove who they are.",
        ),
        text(
            "auth-group-script",
            &["FILE"],
            "",
            "WSGIAuthGroupScript",
            "A script with groups_for_user(); needs --auth-user-script.",
        ),
        text(
            "auth-group",
            &["NAME"],
            "wsgi",
            "Require wsgi-group",
            "The group that a user must belong to, with --auth-group-script.",
        ),
    ],
};
