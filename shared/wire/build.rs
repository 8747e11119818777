//! Compiles `proto/` in pure Rust (no protoc) into one module tree and one descriptor set.

use std::path::{Path, PathBuf};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let root = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut files = Vec::new();
    proto_files(root, &mut files)?;
    files.sort();
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    // As bytes: the typed set below knows no extensions and would drop the methods' scopes.
    std::fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    // Messages know their names: the audit log finds their descriptors by them.
    let mut named = tonic_prost_build::Config::new();
    named.enable_type_names();
    tonic_prost_build::configure()
        .include_file("_includes.rs")
        .compile_well_known_types(false)
        .compile_fds_with_config(compiler.file_descriptor_set(), named)?;
    Ok(())
}

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
