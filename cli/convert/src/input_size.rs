//! Sizes of model inputs, in the notation of the catalogue and the command line.

/// Parses `HEIGHTxWIDTH` and returns width and height in pixels.
///
/// # Errors
/// Text of another form, or a side outside 1 to 8192.
pub fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let (height, width) = text.split_once(['x', 'X']).unwrap_or((text, text));
    side(width).zip(side(height)).ok_or_else(|| "needs HEIGHTxWIDTH, such as 224x224".to_string())
}

fn side(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| (1..=8192).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("48x192"), Ok((192, 48)));
        assert_eq!(parse_size("96"), Ok((96, 96)));
        assert!(parse_size("0x4").is_err() && parse_size("ax4").is_err());
    }
}
