//! Which files of a repository a model needs: the weights once, and the small files beside them.

use super::Listed;

/// The most that a file beside the weights may have: a tokeniser has some ten million bytes.
const SMALL: u64 = 64 << 20;

/// Endings of small files: settings, vocabularies, templates, licences.
const BESIDE: &[&str] = &[".json", ".txt", ".model", ".jinja", ".md", ".vocab", ".bpe"];

/// The files to be fetched; `None` if there are no weights that can be read.
pub(super) fn files(all: &[Listed]) -> Option<Vec<&Listed>> {
    let ends = |file: &Listed, ending: &str| file.rfilename.to_ascii_lowercase().ends_with(ending);
    let top: Vec<&Listed> = all.iter().filter(|file| !file.rfilename.contains('/')).collect();
    let some = |keep: &dyn Fn(&Listed) -> bool| -> Vec<&Listed> {
        top.iter().copied().filter(|file| keep(file)).collect()
    };
    let shards = |stem: &str, ending: &str| {
        some(&|file| file.rfilename.starts_with(&format!("{stem}-")) && ends(file, ending))
    };
    let named = |name: &str| some(&|file| file.rfilename == name);
    let any = |ending: &'static str| some(&|file| ends(file, ending));
    // As a folder is searched, and GGUF last.
    let weights = [
        named("model.safetensors"),
        shards("model", ".safetensors"),
        named("pytorch_model.bin"),
        shards("pytorch_model", ".bin"),
        any(".safetensors"),
        any(".bin"),
        any(".pt"),
        any(".pth"),
        any(".gguf"),
    ]
    .into_iter()
    .find(|found| !found.is_empty())?;
    let beside = all.iter().filter(|file| {
        let (folder, name) = file.rfilename.rsplit_once('/').unwrap_or(("", &file.rfilename));
        let is_near = folder.is_empty() || (!folder.contains('/') && name == "config.json");
        // The index of other weights than those taken would say that they are missing.
        let is_index = name.ends_with(".index.json");
        is_near
            && file.size.unwrap_or(0) <= SMALL
            && BESIDE.iter().any(|ending| ends(file, ending))
            && (!is_index || weights.len() > 1)
    });
    Some(beside.chain(weights.iter().copied()).collect())
}
