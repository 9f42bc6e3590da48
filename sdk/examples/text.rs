//! A classifier of texts on a language backbone. Standard input has a line a text: a class, or `?`
//! to ask, and the ids of its tokens, as the tokenizer of the backbone gives them:
//! `cargo run --example text bert.offshoot < lines`.

use std::io::stdin;

use offshoot::{Extractor, Head, HeadKind, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = std::env::args().nth(1).unwrap_or("bert.offshoot".to_string());
    let mut extractor = Extractor::open(&package)?;
    let Some(limit) = extractor.token_limit() else {
        return Err(format!("{package}: takes images, not text").into());
    };
    let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 16, samples: 200 })?;

    for line in stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let mut ids = words.map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        ids.truncate(limit);
        let embedding = extractor.embed_tokens(&ids)?;
        if name == "?" {
            head.fit()?;
            let answer = head.classify(embedding)?;
            println!("{}", head.class_name(answer.class()).unwrap_or("?"));
            continue;
        }
        let class = match head.class_named(name) {
            Some(class) => class,
            None => head.add_class(name)?,
        };
        head.add_sample(class, embedding)?;
    }
    Ok(())
}
