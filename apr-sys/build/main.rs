//! Asks apxs and apr-config where the headers are, runs bindgen over them, and compiles the C shim.
//!
//! Struct layouts depend on the installed httpd, so nothing is vendored (decisions.md, "Bindings to httpd").

mod allowlist;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=src/shim.c");
    println!("cargo:rerun-if-changed=src/shim.h");
    println!("cargo:rerun-if-env-changed=APXS");
    let flags = header_flags();
    compile_shim(&flags);
    generate_bindings(&flags);
}

fn header_flags() -> Vec<String> {
    let apxs = env::var("APXS").ok().into_iter().chain(["apxs".into(), "apxs2".into()]);
    let Some(apxs) =
        apxs.into_iter().find(|name| Command::new(name).args(["-q", "INCLUDEDIR"]).output().is_ok())
    else {
        fail(
            "apxs was not found. Install httpd's headers (Debian: apt-get install apache2-dev) or set APXS.",
        );
    };
    let mut flags = vec![format!("-I{}", output(&apxs, &["-q", "INCLUDEDIR"]))];
    let apr_config = output(&apxs, &["-q", "APR_CONFIG"]);
    let words = output(&apr_config, &["--includes", "--cppflags"]);
    flags.extend(words.split_whitespace().map(str::to_owned));
    flags
}

fn compile_shim(flags: &[String]) {
    let mut build = cc::Build::new();
    build.file("src/shim.c").include("src").pic(true).warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("mw_shim");
}

fn generate_bindings(flags: &[String]) {
    let mut builder = bindgen::Builder::default()
        .header("build/wrapper.h")
        .clang_arg("-Isrc")
        .clang_args(flags)
        .clang_args(builtin_headers())
        .layout_tests(false)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false);
    for name in allowlist::FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in allowlist::TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in allowlist::VARIABLES {
        builder = builder.allowlist_var(name);
    }
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default()).join("bindgen.rs");
    match builder.generate() {
        Ok(bindings) => {
            let text = with_safe_functions(bindings.to_string());
            std::fs::write(out, text)
                .unwrap_or_else(|e| fail(&format!("the bindings cannot be written: {e}")));
        }
        Err(reason) => fail(&format!("bindgen failed (Debian: apt-get install libclang-dev): {reason}")),
    }
}

/// bindgen takes every function of C for unsafe; some are not.
fn with_safe_functions(mut text: String) -> String {
    for name in allowlist::SAFE_FUNCTIONS {
        let (is, will_be) = (format!("pub fn {name}("), format!("pub safe fn {name}("));
        if text.matches(&is).count() != 1 {
            fail(&format!("{name} is not declared once"));
        }
        text = text.replace(&is, &will_be);
    }
    text
}

/// libclang without its own headers cannot find stddef.h; gcc must not see them (decisions.md, "Bindings to httpd").
fn builtin_headers() -> Vec<String> {
    let roots = ["/usr/lib/llvm-14/lib/clang", "/usr/lib/clang"];
    let found = roots.iter().filter_map(|root| std::fs::read_dir(root).ok()).flatten().flatten();
    let include = found.map(|e| e.path().join("include")).find(|p| Path::new(p).join("stddef.h").exists());
    include.map(|p| vec!["-isystem".to_owned(), p.display().to_string()]).unwrap_or_default()
}

fn output(program: &str, args: &[&str]) -> String {
    match Command::new(program).args(args).output() {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => fail(&format!("{program} {} failed", args.join(" "))),
    }
}

fn fail(reason: &str) -> ! {
    eprintln!("apr-sys: {reason}");
    exit(1)
}
