//! Chat templates against transformers' `apply_chat_template`; texts by `scripts/golden/chat.py`.

use andiron_core::testing;
use andiron_nlp::chat::{ChatTemplate, Message};
use serde_json::Value;

#[test]
fn conversations_are_rendered_as_by_transformers() {
    let golden: Value = serde_json::from_str(include_str!("../golden/chat.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 40, "{}", cases.len());
    for case in cases {
        let name = case["template"].as_str().unwrap();
        let template = ChatTemplate::new(golden["templates"][name].as_str().unwrap())
            .unwrap()
            .with_tokens(Some("<s>".to_owned()), Some("</s>".to_owned()));
        let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
        let got = template.render(&messages, case["answer"].as_bool().unwrap());
        match case["text"].as_str() {
            Some(wanted) => assert_eq!(got.unwrap(), wanted, "{name}: {messages:?}"),
            None => {
                let (said, wanted) =
                    (got.unwrap_err().to_string(), case["error"].as_str().unwrap());
                assert!(said.contains(wanted), "{name}: {said}, not {wanted}");
            }
        }
    }
    let what = format!("{} conversations rendered as by transformers, byte for byte", cases.len());
    testing::record("golden", "chat templates", &what);
}
