//! SCRIPT_NAME and PATH_INFO from httpd's URI and path_info (spec/directives.md §5.5, spec/behaviour.md §1.3).

use std::borrow::Cow;

/// SCRIPT_NAME and PATH_INFO, slash runs collapsed. `uri` is the decoded path, `path_info` httpd's (empty if
/// it has none), `included` tells a sub-request of protocol `INCLUDED`.
pub fn script_and_path_info<'a>(
    uri: &'a [u8],
    path_info: &'a [u8],
    included: bool,
) -> (Cow<'a, [u8]>, Cow<'a, [u8]>) {
    let end = if included || path_info.is_empty() { uri.len() } else { find_path_info(uri, path_info) };
    (collapse_slashes(&uri[..end]), collapse_slashes(path_info))
}

/// httpd's `ap_find_path_info`: the offset at which `path_info` begins in `uri`, compared backwards; a run of
/// slashes in the URI equals one slash of path_info, and the cut moves forward to the next slash or the end.
pub fn find_path_info(uri: &[u8], path_info: &[u8]) -> usize {
    let (mut u, mut p) = (uri.len(), path_info.len());
    loop {
        if u == 0 {
            break;
        }
        u -= 1;
        if p == 0 {
            break;
        }
        p -= 1;
        if uri[u] != path_info[p] {
            break;
        }
        if path_info[p] == b'/' {
            while u > 0 && uri[u - 1] == b'/' {
                u -= 1;
            }
        }
    }
    uri[u..].iter().position(|byte| *byte == b'/').map_or(uri.len(), |slash| u + slash)
}

/// The path with every run of slashes replaced by one.
pub fn collapse_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    let double = |pair: &[u8]| pair == b"//";
    let Some(first) = path.windows(2).position(double) else { return Cow::Borrowed(path) };
    let mut out = Vec::with_capacity(path.len());
    out.extend_from_slice(&path[..first]);
    for &byte in &path[first..] {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(uri: &str, path_info: &str) -> (String, String) {
        let (script, info) = script_and_path_info(uri.as_bytes(), path_info.as_bytes(), false);
        (String::from_utf8_lossy(&script).into_owned(), String::from_utf8_lossy(&info).into_owned())
    }

    #[test]
    fn examples_of_the_spec() {
        assert_eq!(split("/", "/"), (String::new(), "/".into()));
        assert_eq!(split("/x/y", "/x/y"), (String::new(), "/x/y".into()));
        assert_eq!(split("/app", ""), ("/app".into(), String::new()));
        assert_eq!(split("/app/x", "/x"), ("/app".into(), "/x".into()));
        assert_eq!(split("/w/x.wsgi/y", "/y"), ("/w/x.wsgi".into(), "/y".into()));
        assert_eq!(split("/app//x", "/x"), ("/app".into(), "/x".into()));
        assert_eq!(split("//app///x//y", "/x/y"), ("/app".into(), "/x/y".into()));
    }

    #[test]
    fn path_info_that_is_no_suffix_leaves_whole_components() {
        assert_eq!(split("/app/x", "/zz"), ("/app/x".into(), "/zz".into()));
        assert_eq!(find_path_info(b"", b"/x"), 0);
        assert_eq!(find_path_info(b"/abc", b""), 4);
        assert_eq!(find_path_info(b"/foo/bar", b"/ar"), 8);
    }

    #[test]
    fn included_keeps_the_uri() {
        let (script, info) = script_and_path_info(b"/a//b", b"/b", true);
        assert_eq!((script.as_ref(), info.as_ref()), (&b"/a/b"[..], &b"/b"[..]));
    }

    #[test]
    fn collapsing_borrows_when_it_can() {
        assert!(matches!(collapse_slashes(b"/a/b/"), Cow::Borrowed(_)));
        assert_eq!(collapse_slashes(b"///a//b//").as_ref(), b"/a/b/");
        assert_eq!(collapse_slashes(b"").as_ref(), b"");
    }
}
