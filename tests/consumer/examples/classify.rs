//! Ten lines that train, save, load and classify, with names of the facade only.

use andiron::nlp::{models::hashed_linear::HashedLinearConfig, text::Text};
use andiron::{Example, GradientTrainer, Network, Predictor, Recipe, Trainer, TrainingConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let say = |text: &str, label: &str| Example { input: Text::from(text), target: label.into() };
    let train = vec![say("what a lovely day", "good"), say("what an awful day", "bad")];
    let device = andiron::device("flex")?;
    let (task, config) = HashedLinearConfig::prepare(&Default::default(), &train)?;
    let trainer = GradientTrainer::new(TrainingConfig::new(60).with_learning_rate(0.05));
    let network = Network::init(config, 7, &device)?;
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
    fitted.predictor.save("target/consumer-model")?;
    let model: Predictor<andiron::nlp::tasks::text_classification::TextClassification> =
        Predictor::load("target/consumer-model", &device)?;
    println!("{}", model.predict(&["a lovely evening".into()])?[0].as_ref().label);
    Ok(())
}
