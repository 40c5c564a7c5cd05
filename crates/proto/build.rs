//! Compiles `proto/` in pure Rust and writes, for every message that can hold personal content, a `Debug` that does
//! not show it.

use protox::prost_reflect::{DescriptorPool, MessageDescriptor, Value};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ROOT: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    // The compiler reports no file to cargo; without this line types go stale.
    println!("cargo::rerun-if-changed={ROOT}");
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder in no other way")]
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut files: Vec<PathBuf> = Vec::new();
    for file in std::fs::read_dir(Path::new(ROOT).join("handoff/v1"))? {
        files.push(file?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "proto"));
    // The order of a folder is the file system's own; the generated code must not depend on it.
    files.sort();

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // `encode_file_descriptor_set` keeps the options that the typed set loses: these are the bytes for reflection.
    std::fs::write(out.join("handoff.binpb"), compiler.encode_file_descriptor_set())?;

    let personal = personal_messages(&compiler.descriptor_pool());
    let names: Vec<String> = personal.iter().map(|message| format!(".{}", message.full_name())).collect();
    tonic_prost_build::configure().skip_debug(&names).out_dir(&out).compile_fds(compiler.file_descriptor_set())?;
    std::fs::write(out.join("handoff.debug.rs"), debug_impls(&personal)?)?;
    Ok(())
}

/// Messages of ours with a field marked `debug_redact`.
fn personal_messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let ours = pool.all_messages().filter(|message| message.package_name() == "handoff.v1");
    ours.filter(|message| redacted(message).next().is_some()).collect()
}

fn redacted(message: &MessageDescriptor) -> impl Iterator<Item = String> {
    let fields: Vec<_> = message.fields().collect();
    fields.into_iter().filter_map(|field| {
        let options = field.options();
        let is_set =
            options.get_field_by_name("debug_redact").is_some_and(|value| matches!(value.as_ref(), Value::Bool(true)));
        is_set.then(|| field.name().to_owned())
    })
}

fn debug_impls(messages: &[MessageDescriptor]) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for message in messages {
        if message.oneofs().any(|oneof| !oneof.is_synthetic()) || message.parent_message().is_some() {
            return Err(format!("{}: debug_redact is for plain top-level messages", message.full_name()).into());
        }
        let hidden: Vec<String> = redacted(message).collect();
        let name = message.name();
        writeln!(code, "impl std::fmt::Debug for {name} {{")?;
        writeln!(code, "    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{")?;
        write!(code, "        f.debug_struct(\"{name}\")")?;
        for field in message.fields().filter(|field| !hidden.iter().any(|name| name == field.name())) {
            write!(code, ".field(\"{0}\", &self.{0})", field.name())?;
        }
        writeln!(code, ".finish_non_exhaustive()\n    }}\n}}")?;
    }
    Ok(code)
}
