//! `env-file=`: whose values are read, and what is said of files that root does not read for others.

use super::site::FakeSite;
use crate::env_file::read;
use std::os::unix::fs::chown;

const USER: u32 = 1000;

#[test]
fn values_are_read_from_files_of_the_user_or_of_root() {
    let site = FakeSite::new();
    let own = site.surroundings.own_uid;
    let path = site.file("conf/env", "A=1\nexport B='two words'\n");
    let expected = [("A", "1"), ("B", "two words")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
    assert_eq!(read(&path, own, own), Ok(expected.clone()));
    if own == 0 {
        assert_eq!(
            read(&path, USER, own),
            Ok(expected.clone()),
            "root's, and nobody else can change the path"
        );
        chown(&path, Some(USER), None).unwrap();
        assert_eq!(read(&path, USER, own), Ok(expected));
    }
}

#[test]
fn a_file_that_is_not_read_says_what_it_should_be() {
    let site = FakeSite::new();
    let own = site.surroundings.own_uid;
    let text = |name: &str, uid| site.short(&read(&site.path(name), uid, own).unwrap_err());
    site.file("conf/bad", "A=1\nnonsense\n");
    assert_eq!(text("conf/bad", own), "env-file '@/conf/bad' line 2: write KEY=VALUE, or # before a comment");
    assert_eq!(
        text("conf/none", own),
        "env-file '@/conf/none' cannot be opened (No such file or directory (os error 2)); give a readable plain file"
    );
    std::fs::write(site.path("conf/latin"), b"A=\xe4\n").unwrap();
    assert!(text("conf/latin", own).starts_with("env-file '@/conf/latin' cannot be read as UTF-8 ("));
    let plain =
        |name: &str| format!("env-file '@/{name}' must be a plain file of at most 262144 bytes, and no link");
    site.file("conf/long", &"x".repeat(262_145));
    assert_eq!(text("conf/long", own), plain("conf/long"));
    std::os::unix::fs::symlink("bad", site.path("conf/link")).unwrap();
    assert_eq!(text("conf/link", own), plain("conf/link"));
}

#[test]
fn a_path_that_others_can_bend_is_not_followed_for_them() {
    let site = FakeSite::new();
    let own = site.surroundings.own_uid;
    let other = own + 1;
    let bent = "belongs to another user than the group's, so every directory above it must belong to root and be writable by \
                root only, and it must have no second name";
    let path = site.file("open/env", "A=1\n");
    site.mode(&site.path("open"), 0o777);
    assert_eq!(
        read(&path, other, own).map_err(|e| site.short(&e)),
        Err(format!("env-file '@/open/env' {bent}"))
    );
    let path = site.file("conf/env", "A=1\n");
    std::fs::hard_link(&path, site.path("conf/second")).unwrap();
    assert_eq!(
        read(&path, other, own).map_err(|e| site.short(&e)),
        Err(format!("env-file '@/conf/env' {bent}"))
    );
    if own == 0 {
        let path = site.file("conf/foreign", "A=1\n");
        chown(&path, Some(USER), None).unwrap();
        let expected = "env-file '@/conf/foreign' must be owned by root or by the user of the group";
        assert_eq!(read(&path, 33, own).map_err(|e| site.short(&e)), Err(expected.to_owned()));
    }
}
