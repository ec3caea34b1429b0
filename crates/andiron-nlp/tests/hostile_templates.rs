//! Chat templates that want to use up the machine: each ends soon, as an error, in a process that may
//! not have much memory. Without the bounds of `andiron_nlp::chat` most of them take the process down.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::testing;
use andiron_nlp::chat::{ChatTemplate, Message};
use std::{process::Command, time::Instant};

const CHILD: &str = "ANDIRON_TEST_TEMPLATE";
/// Address space of the child in KiB; its threads take some of it.
const SPACE: usize = 1_500_000;
/// Memory in KiB that it may really use.
const MEMORY: usize = 400_000;

/// A list that holds a list twice, sixty times over; `{a}` stands for the like of it.
const TWICE: &str = "{% set ns = namespace(a=['x'], b=['x']) %}{% for i in range(60) %}\
    {% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
const SUM: &str = "{% set ns = namespace(a=['x'], b=['x']) %}{% for i in range(60) %}\
    {% set ns.a = ns.a + ns.a %}{% set ns.b = ns.b + ns.b %}{% endfor %}";

fn templates() -> Vec<String> {
    let mut all: Vec<String> = [
        // Texts that grow.
        "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a|length }}",
        "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
        "{{ ('x' * 99999999)|length }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 'x'.replace('', 'y' * 20000000).replace('', 'y' * 20000000)|length }}",
        "{{ ('y' * 100000).join(range(99999))|length }}",
        "{{ range(99999)|join('y' * 100000)|length }}",
        "{{ 'x'|indent(999999999)|length }}",
        "{{ '%999999999d'|format(1)|length }}",
        "{{ '{:>999999999}'.format('x')|length }}",
        "{{ ('{0}' * 100000).format('x' * 1000000)|length }}",
        "{{ ('x' * 9000000).split('')|length }}",
        "{{ ('x ' * 9000000).split()|length }}",
        "{{ ('\\n' * 9000000).splitlines()|length }}",
        "{{ ('x' * 20000000)[::-1]|list|length }}",
        "{{ (('x' * 9000000)|list)|tojson(indent=16)|length }}",
        "{% set q %}{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}{% endset %}",
        // Lists that grow.
        "{{ ('' ~ ['x'] * 99999999)|length }}",
        "{{ ('' ~ range(99999999))|length }}",
        "{{ (range(99999)|list * 99999)|length }}",
        // Values without an end.
        "{% set ns = namespace(a=1) %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace(a=1) %}{% set ns.x = [ns] %}{{ '' ~ ns }}",
        "{% set ns = namespace(a=1) %}{% set m = ns %}{% set ns.x = {'a': m} %}{{ ns|tojson }}",
        "{% set ns = namespace(a=1) %}{% set m = namespace(b=ns) %}{% set ns.x = m %}{{ ns == m }}",
        "{% set ns = namespace(a=[]) %}{% for i in range(99999) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}",
        // Work without an end.
        "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(a, n) %}{% if n %}{{ f([a, a], n - 1) }}{% else %}{{ a }}{% endif %}{% endmacro %}{{ f('x', 40) }}",
        "{{ 10 ** 10 ** 10 }}",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend(nested());
    for use_of in [
        "{{ ns.a }}",
        "{{ ('' ~ ns.a)|length }}",
        "{% set q %}{{ ns.a }}{% endset %}",
        "{{ ns.a == ns.b }}",
        "{{ ns.a < ns.b }}",
        "{{ ns.a in [ns.b] }}",
        "{{ ns.a is eq ns.b }}",
        "{{ [ns.a, ns.b]|sort|length }}",
        "{{ [ns.a, ns.b]|unique|list|length }}",
        "{{ [ns.b].count(ns.a) }}",
        "{{ ','.join([ns.a])|length }}",
        "{{ ns.a|tojson|length }}",
        "{{ ns.a|string|length }}",
        "{{ ns.a|pprint|length }}",
        "{{ ns.a|length }}",
        "{% if ns.a == ns.b %}x{% endif %}",
        "{{ {ns.a: 1}|length }}",
        "{{ '{}'.format(ns.a)|length }}",
        "{% for x in ns.a if x == ns.b %}{% endfor %}",
    ] {
        all.extend([TWICE, SUM].map(|begin| format!("{begin}{use_of}")));
    }
    all
}

/// What is read by calling oneself, so often that the stack would not do: brackets, and chains of
/// signs, of filters, of places and of branches.
fn nested() -> Vec<String> {
    let n = 60_000;
    let around = |open: &str, close: &str| {
        let n = n / close.len();
        format!("{{{{ {}1{} }}}}", open.repeat(n), close.repeat(n))
    };
    let chain = |part: &str| format!("{{{{ x{} }}}}", part.repeat(240_000 / part.len()));
    let before = |part: &str| format!("{{{{ {}x }}}}", part.repeat(240_000 / part.len()));
    let blocks = |part: &str| format!("{{% if x %}}{}{{% endif %}}", part.repeat(n / part.len()));
    let mut all = vec![
        around("(", ")"),
        around("[", "]"),
        around("f(", ")"),
        around("x[", "]"),
        around("{1:", "}"),
        format!("{{{{ {} }}}}", "(".repeat(250_000)),
        format!("{{% set a = {} %}}", "[".repeat(250_000)),
        blocks("{% elif x %}"),
        "{% if x %}".repeat(20_000),
    ];
    all.extend(["+x", "~x", " and x", " or x", "**x", "==x", ".x", "[0]", "(0)"].map(chain));
    all.extend(["|abs", " is x", " if x else x", " if x", ",x", " in x", "//x"].map(chain));
    all.extend(["-", "not ", "- - ", "x if x else "].map(before));
    all
}

fn render(source: &str) -> Result<String, String> {
    let template = ChatTemplate::new(source).map_err(|error| error.to_string())?;
    template.render(&[Message::new("user", "x")], true).map_err(|error| error.to_string())
}

#[test]
fn a_hostile_template_costs_little_time_and_memory() {
    if std::env::var_os(CHILD).is_some() {
        for source in templates() {
            let started = Instant::now();
            let said = render(&source);
            let seconds = started.elapsed().as_secs_f64();
            println!("{seconds:.2} s: {said:.60?} of {source:.100}");
            assert!(said.is_err(), "{source} gave a text");
            assert!(seconds < 30.0, "{source} took {seconds:.0} s");
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        println!("peak {}", line.split_whitespace().nth(1).unwrap());
        return;
    }
    assert!(templates().len() > 50);
    let script = format!("ulimit -v {SPACE}; exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_hostile_template_costs_little_time_and_memory"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    println!("{text}");
    let peak = text.split("peak ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let peak: usize = peak.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(peak < MEMORY, "{peak} KiB");
    testing::record(
        "chat templates",
        "hostile templates",
        &format!(
            "{} templates end as errors in 1.5 GB of address space, within seconds and 400 MB",
            templates().len()
        ),
    );
}

/// What is just within the bounds fits the stack of a thread, which is two mebibytes.
#[test]
fn what_is_nested_as_deep_as_allowed_is_read() {
    let minuses = |n: usize| "-".repeat(n);
    let inside = format!("{}{}1{}", "(".repeat(40), minuses(1300), ")".repeat(40));
    for source in [
        format!("{{{{ {}1 }}}}", minuses(1450)),
        format!("{{{{ 1{} }}}}", " + 1".repeat(700)),
        format!("{{{{ 1{} }}}}", "|abs".repeat(700)),
        format!("{{{{ {}1 }}}}", "not ".repeat(1450)),
        format!("{{{{ {}1 }}}}", "1 if true else ".repeat(300)),
        format!(
            "{}{{% if false %}}{}{{% elif true %}}{{{{ {inside} }}}}{{% endif %}}{}",
            "{% if true %}".repeat(30),
            "{% elif false %}".repeat(199),
            "{% endif %}".repeat(30)
        ),
    ] {
        let text = render(&source).unwrap_or_else(|error| panic!("{error}: {source:.100}"));
        assert!(!text.is_empty());
    }
}

/// What honest templates do with lists, namespaces and texts goes on.
#[test]
fn an_honest_template_is_not_hindered() {
    let source = "{% set ns = namespace(seen=[], n=0) %}\
        {% for m in messages %}{% set ns.seen = ns.seen + [m.role] %}{% set ns.n = ns.n + 1 %}\
        {{ '<' ~ m.role ~ '>' ~ m['content']|trim ~ '-' * 3 }}{% endfor %}\
        {{ ns.seen | join(',') }} {{ messages[-1].content.split(' ')[0] }} {{ '{}!'.format(ns.n) }} \
        {{ messages[1:]|length }} {{ {'a': ns.seen[:2]}|tojson }} {{ tools is none and not x }}";
    let template = ChatTemplate::new(source).unwrap();
    let messages: Vec<Message> =
        (0..300).map(|at| Message::new(format!("r{at}"), "two words ".repeat(40))).collect();
    let text = template.render(&messages, true).unwrap();
    let roles: Vec<String> = (0..300).map(|at| format!("r{at}")).collect();
    let end = format!("{} two 300! 299 {{\"a\": [\"r0\", \"r1\"]}} True", roles.join(","));
    assert!(text.ends_with(&end), "{}", &text[text.len() - 100..]);
    assert!(text.starts_with("<r0>two words two words"));
}
