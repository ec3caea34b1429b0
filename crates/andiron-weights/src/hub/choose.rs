//! Which files of a repository a model needs: the weights once, and the small files beside them.

use super::Listed;

/// The most that a file beside the weights may have: a tokeniser has some ten million bytes.
const SMALL: u64 = 64 << 20;

/// Endings of small files: settings, vocabularies, templates, licences.
const BESIDE: &[&str] = &[".json", ".txt", ".model", ".jinja", ".md", ".vocab", ".bpe"];

/// The places in `all` of the files to be fetched.
///
/// # Errors
/// The names of the weights, if there is not one set of them that is clearly the one; none, if
/// there are no weights that can be read.
pub(super) fn files(all: &[Listed]) -> Result<Vec<usize>, Vec<String>> {
    let weights = weights(all)?;
    let has_shards = weights.len() > 1;
    let beside = (0..all.len()).filter(|at| is_beside(&all[*at], has_shards));
    Ok(beside.chain(weights.iter().copied()).collect())
}

fn ends(file: &Listed, ending: &str) -> bool {
    file.rfilename.to_ascii_lowercase().ends_with(ending)
}

/// The weights: as a folder is searched, and GGUF last.
pub(super) fn weights(all: &[Listed]) -> Result<Vec<usize>, Vec<String>> {
    let some = |keep: &dyn Fn(&Listed) -> bool| -> Vec<usize> {
        let top = (0..all.len()).filter(|at| !all[*at].rfilename.contains('/'));
        top.filter(|at| keep(&all[*at])).collect()
    };
    for (stem, ending) in [("model", ".safetensors"), ("pytorch_model", ".bin")] {
        let whole = some(&|file| file.rfilename == format!("{stem}{ending}"));
        if !whole.is_empty() {
            return Ok(whole);
        }
        let first = format!("{stem}-");
        let shards = some(&|file| file.rfilename.starts_with(&first) && ends(file, ending));
        if !shards.is_empty() {
            return Ok(shards);
        }
    }
    for endings in [&[".safetensors"][..], &[".bin", ".pt", ".pth"], &[".gguf"]] {
        let found = some(&|file| endings.iter().any(|ending| ends(file, ending)));
        match found.len() {
            0 => {}
            1 => return Ok(found),
            _ => return Err(found.iter().map(|at| all[*at].rfilename.clone()).collect()),
        }
    }
    Err(Vec::new())
}

/// Whether `file` is a small one that a model needs: one at the top, or the settings of a part.
fn is_beside(file: &Listed, has_shards: bool) -> bool {
    let (folder, name) = file.rfilename.rsplit_once('/').unwrap_or(("", &file.rfilename));
    let is_near = folder.is_empty() || (!folder.contains('/') && name == "config.json");
    // The index of other weights than those taken would say that they are missing.
    let is_index = name.ends_with(".index.json");
    // What has an odd name is left where it is; weights with one are refused.
    is_near
        && super::is_path(&file.rfilename)
        && file.size.unwrap_or(0) <= SMALL
        && BESIDE.iter().any(|ending| ends(file, ending))
        && (!is_index || has_shards)
}
