//! `andiron convert`: whatever can be read, as a bundle.

use crate::{
    args::Convert,
    builtin::registry,
    error::{CliError, DONE},
    model::Model,
    train::quoted,
};
use andiron::{
    bundle::{self, Card},
    burn::tensor::Device,
};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
};

/// A head of YAML is not longer than this, in bytes.
const HEAD: u64 = 64 << 10;

/// Writes the bundle, whole or not at all.
pub(crate) fn run(args: &Convert, device: &Device) -> Result<u8, CliError> {
    // Before anything large is read.
    bundle::check_free(&args.folder)?;
    let model = Model::of(&args.model)?;
    let own = model.verify(|_, description| Ok(description.card))?;
    let (task, called) = (args.task.as_deref(), args.architecture.as_deref());
    let predictor = match (&model, called) {
        (Model::Path(path), Some(called)) => registry().open_called(path, called, task, device)?,
        _ => model.load(&registry(), task, device)?,
    };
    let card = own.unwrap_or_else(|| card(args, licence(&model)));
    predictor.save(card, &args.folder)?;
    // A closed standard error is no reason to fail.
    let _ = writeln!(
        io::stderr(),
        "{}, {}: saved to {}",
        predictor.task(),
        predictor.architecture(),
        args.folder.display()
    );
    Ok(DONE)
}

/// What can be said of a model that others trained.
fn card(args: &Convert, licence: Option<String>) -> Card {
    let mut words = vec!["andiron".to_owned(), "convert".to_owned(), quoted(&args.model)];
    words.push(quoted(&args.folder.display().to_string()));
    for (flag, given) in [("--task", &args.task), ("--architecture", &args.architecture)] {
        words.extend(given.iter().flat_map(|given| [flag.to_owned(), quoted(given)]));
    }
    Card {
        description: format!("Converted from {}, which others trained.", args.model),
        licence: licence.unwrap_or_else(|| "that of the model it was converted from".to_owned()),
        command: words.join(" "),
        ..Card::default()
    }
}

/// The licence of a published folder, as the hub has it: in the lines between two `---` with which
/// its README begins.
fn licence(model: &Model) -> Option<String> {
    let Model::Path(path) = model else { return None };
    let mut text = Vec::new();
    File::open(path.join("README.md")).ok()?.take(HEAD).read_to_end(&mut text).ok()?;
    in_head(&String::from_utf8_lossy(&text))
}

fn in_head(text: &str) -> Option<String> {
    let mut lines = text.lines();
    (lines.next()?.trim_end() == "---").then_some(())?;
    let mut head = lines.take_while(|line| line.trim_end() != "---");
    let licence = head.find_map(|line| line.strip_prefix("license:"))?.trim();
    (!licence.is_empty()).then(|| licence.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_stands_in_the_head_alone() {
        let said = |text: &str| in_head(text);
        assert_eq!(
            said("---\nlanguage: en\nlicense: apache-2.0\n---\n"),
            Some("apache-2.0".into())
        );
        assert_eq!(said("---\r\nlicense: \"mit\"\r\n---\r\nx"), Some("mit".into()));
        for none in ["", "license: mit\n", "---\n---\nlicense: mit\n", "---\nlicense:\n- a\n---\n"]
        {
            assert_eq!(said(none), None, "{none:?}");
        }
    }
}
