//! Embeds every bundle below `builtin/`: a folder there is a built-in model of that name, so there
//! is no list to forget one in.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=builtin");
    println!("cargo::rerun-if-changed=build.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("builtin");
    let mut list = String::from("&[\n");
    for model in sorted(&root)?.into_iter().filter(|path| path.join("andiron.json").is_file()) {
        let model_name = model.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(list, "    Builtin {{ name: {model_name:?}, files: &[");
        for file in sorted(&model)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            // Where the sources lie is asked when they are compiled: they may have moved since.
            let path = format!("/builtin/{model_name}/{name}");
            let found = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?})");
            let _ = writeln!(list, "        ({name:?}, include_bytes!({found})),");
        }
        list.push_str("    ] },\n");
    }
    list.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("builtin.rs"), list)
}

fn sorted(dir: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| {
        !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    });
    paths.sort();
    Ok(paths)
}
