#![allow(missing_docs, clippy::unwrap_used, reason = "scratch")]
use andiron_core::{*, data::*, trainer::Progress};
use andiron_nlp::{text::Text, models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig}, tasks::text_classification::TextClassification, features::tokens};
use std::time::Instant;

type E = Example<Text, String>;
fn pick(d: &[E], i: &[usize]) -> Vec<E> { i.iter().map(|i| d[*i].clone()).collect() }
fn f1(p: &Predictor<TextClassification>, d: &Vec<E>) -> (f64, f64) {
    let out = p.predict(&d.iter().map(|e| e.input.clone()).collect::<Vec<_>>()).unwrap();
    let mut m = [[0.0f64; 2]; 2];
    for (o, e) in out.iter().zip(d) { m[(e.target == "positive") as usize][(o.choice.label == "positive") as usize] += 1.0; }
    let f = |c: usize| 2.0 * m[c][c] / (2.0 * m[c][c] + m[c][1 - c] + m[1 - c][c]).max(1.0);
    ((m[0][0] + m[1][1]) / d.len() as f64, (f(0) + f(1)) / 2.0)
}
#[test]
fn scratch() {
    let Ok(spec) = std::env::var("SPEC") else { return };
    let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    let mut r = csv::Reader::from_path("../../examples/data/tweets/tweets.csv").unwrap();
    let data: Vec<E> = r.records().map(|r| { let r = r.unwrap(); Example { input: r[0].into(), target: r[1].to_owned() } }).collect();
    let keys: Vec<String> = data.iter().map(|e| tokens(&e.input.text).into_iter().filter(|t| t.chars().any(char::is_alphanumeric)).collect::<Vec<_>>().join(" ")).collect();
    let device = device("flex").unwrap();
    for run in spec.as_array().unwrap() {
        let g = |k: &str, d: f64| run.get(k).and_then(|v| v.as_f64()).unwrap_or(d);
        let (mut a, mut b, mut time, mut steps_best, mut vl) = (vec![], vec![], 0.0, vec![], vec![]);
        let folds = g("folds", 3.0) as u64;
        for seed in 0..folds {
            // hold out the test of seed 7 always
            let (rest, _, _) = split_by_group(&keys, Fractions { valid: 0.0, test: 0.2 }, 7).unwrap();
            let rest_keys: Vec<_> = rest.iter().map(|i| keys[*i].clone()).collect();
            let (tr, va, _) = split_by_group(&rest_keys, Fractions { valid: 0.2, test: 0.0 }, 100 + seed).unwrap();
            let rest = pick(&data, &rest);
            let (tr, va) = (pick(&rest, &tr), pick(&rest, &va));
            let opts = run.get("o").cloned().unwrap_or_default();
            let batch = g("bs", 32.0) as usize;
            let steps = (g("ep", 10.0) as usize) * tr.len().div_ceil(batch);
            let mut c = TrainingConfig::new(steps).with_batch_size(batch).with_learning_rate(g("lr", 0.01)).with_seed(seed).with_eval_every((steps / 20).max(1)).with_warmup_steps((g("wu", 0.1) * steps as f64) as usize).with_keep_best(g("kb", 0.0) > 0.0);
            c.optimizer = andiron_core::trainer::OptimizerConfig::AdamW { beta_1: 0.9, beta_2: g("b2", 0.999) as f32, epsilon: 1e-8, weight_decay: g("wd", 0.01) as f32 };
            let t = Instant::now();
            let trainer = GradientTrainer::new(c).with_progress(Progress::Silent);
            let fitted = if run["m"] == "h" {
                let (task, cfg) = HashedLinearConfig::prepare(&opts, &tr).unwrap();
                let n = Network::init(cfg, seed, &device).unwrap();
                trainer.fit(task, n, &tr, &va, &device).unwrap()
            } else {
                let (task, cfg) = TextEncoderConfig::prepare(&opts, &tr).unwrap();
                let n = Network::init(cfg, seed, &device).unwrap();
                if seed == 0 { print!("[{} params] ", n.parameters()); }
                trainer.fit(task, n, &tr, &va, &device).unwrap()
            };
            time += t.elapsed().as_secs_f64();
            let (x, y) = f1(&fitted.predictor, &va);
            a.push(x); b.push(y);
            steps_best.push(fitted.best_step.unwrap_or(0) as f64 / steps as f64);
            vl.push(fitted.log.iter().filter_map(|s| s.valid_loss).last().unwrap());
            if seed == 0 && g("curve", 0.0) > 0.0 { println!("{:?}", fitted.log.iter().filter_map(|s| s.valid_loss.map(|v| ((s.loss*1e3).round()/1e3, (v*1e3).round()/1e3))).collect::<Vec<_>>()); }
        }
        let m = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        println!("acc {:.4} f1 {:.4} vloss {:.4} best@{:.2} {:.1}s/fit  {run}", m(&a), m(&b), m(&vl), m(&steps_best), time / folds as f64);
    }
}
