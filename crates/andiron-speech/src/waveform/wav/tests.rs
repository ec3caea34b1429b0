#![allow(clippy::unwrap_used, reason = "tests")]

use crate::Waveform;
use andiron_core::testing::record;

/// A chunk; one of an odd length is padded.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_le_bytes();
    let mut chunk = [name.as_slice(), &length, content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A file of these chunks.
fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let length = (chunks.len() as u32 + 4).to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WAVE", &chunks].concat()
}

/// What a fmt chunk holds, at 8,000 samples a second.
fn fields(tag: u16, channels: u16, bytes: u16, bits: u16) -> Vec<u8> {
    let frame = channels * bytes;
    let a_second = 8_000 * u32::from(frame);
    [
        &tag.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &8_000_u32.to_le_bytes(),
        &a_second.to_le_bytes(),
        &frame.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat()
}

/// The same of one channel with the tag in a subformat that ends with `end`.
fn extended(tag: u16, bytes: u16, bits: u16, end: &[u8; 14]) -> Vec<u8> {
    [
        &fields(0xFFFE, 1, bytes, bits)[..],
        &22_u16.to_le_bytes(),
        &bits.to_le_bytes(),
        &[0; 4],
        &tag.to_le_bytes(),
        end,
    ]
    .concat()
}

/// How the subformats of ordinary tags end.
const ORDINARY: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// A file of two chunks.
fn sound(fields: &[u8], data: &[u8]) -> Vec<u8> {
    file(&[chunk(b"fmt ", fields), chunk(b"data", data)])
}

fn samples(fields: &[u8], data: &[u8]) -> Vec<f32> {
    Waveform::from_wav(&sound(fields, data)).unwrap().samples
}

/// What is said of a file that is refused, without the beginning that is always the same.
fn refusal(bytes: &[u8]) -> String {
    let text = Waveform::from_wav(bytes).unwrap_err().to_string();
    text.strip_prefix("WAV audio cannot be decoded: ").unwrap().to_owned()
}

/// The two chunks of three samples of 16 bits, and what they say.
fn three() -> ([Vec<u8>; 2], Waveform) {
    let data: Vec<u8> = [16_384_i16, -8_192, 3].into_iter().flat_map(i16::to_le_bytes).collect();
    let chunks = [chunk(b"fmt ", &fields(1, 1, 2, 16)), chunk(b"data", &data)];
    let samples = vec![0.5, -0.25, 3.0 / 32_768.0];
    (chunks, Waveform { samples, rate: 8_000 })
}

#[test]
fn chunks_of_any_length_are_passed_over() {
    let ([format, data], wanted) = three();
    let read = |chunks: &[&Vec<u8>]| {
        let chunks: Vec<Vec<u8>> = chunks.iter().copied().cloned().collect();
        Waveform::from_wav(&file(&chunks)).unwrap()
    };
    assert_eq!(read(&[&format, &data]), wanted);
    for length in 0..6 {
        let list = chunk(b"LIST", &vec![b'd'; length]);
        for chunks in [
            &[&list, &format, &data][..],
            &[&format, &list, &data],
            &[&format, &data, &list],
            &[&list, &format, &list, &list, &data, &list],
        ] {
            assert_eq!(read(chunks), wanted, "{length} bytes");
        }
        // As some programs write it: the next chunk at an odd place.
        let unpadded = list[..8 + length].to_vec();
        assert_eq!(read(&[&unpadded, &format, &unpadded, &data]), wanted, "{length} bytes");
    }
    record("input", "WAV with chunks of odd lengths", "read as without them");
}

#[test]
fn an_odd_number_of_bytes_is_read_where_the_samples_are_whole() {
    // A half sample says that something is wrong with the file: none of it is read.
    assert_eq!(
        refusal(&sound(&fields(1, 1, 2, 16), &[0; 3])),
        "3 bytes of sound are not whole frames of 2 bytes"
    );
    assert_eq!(
        refusal(&sound(&fields(1, 2, 1, 8), &[128; 3])),
        "3 bytes of sound are not whole frames of 2 bytes"
    );
    assert_eq!(samples(&fields(1, 1, 1, 8), &[128, 192, 0]), [0.0, 0.5, -1.0]);
    assert_eq!(samples(&fields(1, 1, 3, 24), &[0, 0, 0x40]), [0.5]);
}

#[test]
fn a_chunk_that_runs_past_the_file_is_refused() {
    let ([format, data], wanted) = three();
    for length in [18, 4_000, u32::MAX] {
        let long = [b"LIST".as_slice(), &length.to_le_bytes(), b"abc"].concat();
        // The three bytes, and a chunk of fourteen.
        assert_eq!(
            refusal(&file(&[format.clone(), long.clone(), data.clone()])),
            format!("its chunk \"LIST\" promises {length} bytes, but 17 are there")
        );
        // Behind the sound nothing is looked at.
        let chunks = [format.clone(), data.clone(), long];
        assert_eq!(Waveform::from_wav(&file(&chunks)).unwrap(), wanted);
    }
    let cut = [b"fmt ".as_slice(), &16_u32.to_le_bytes(), &[1, 0, 1]].concat();
    assert_eq!(refusal(&file(&[cut])), "its chunk \"fmt \" promises 16 bytes, but 3 are there");
}

#[test]
fn other_encodings_are_refused_by_name() {
    let read = "only integers of 8, 16, 24 or 32 bits and floats of 32 bits are read";
    for (tag, bytes, bits, name) in [
        (0x0006, 1, 8, "A-law"),
        (0x0007, 1, 8, "mu-law"),
        (0x0002, 256, 4, "Microsoft ADPCM"),
        (0x0011, 256, 4, "IMA ADPCM"),
        (0x0031, 65, 0, "GSM 6.10"),
        (0x0050, 1, 0, "MPEG audio"),
        (0x0055, 1, 0, "MP3"),
        (0x0001, 2, 12, "integers of 12 bits in 2 bytes"),
        (0x0001, 3, 20, "integers of 20 bits in 3 bytes"),
        (0x0001, 1, 0, "integers of 0 bits in 1 bytes"),
        (0x0001, 0, 8, "integers of 8 bits in 0 bytes"),
        (0x0001, 8, 64, "integers of 64 bits in 8 bytes"),
        (0x0003, 2, 16, "floats of 16 bits in 2 bytes"),
        (0x0003, 8, 64, "floats of 64 bits in 8 bytes"),
        (0x1234, 1, 8, "of the unknown format 0x1234"),
    ] {
        let text = format!("its samples are {name}, but {read}");
        assert_eq!(refusal(&sound(&fields(tag, 1, bytes, bits), &[0; 520])), text);
        assert_eq!(refusal(&sound(&extended(tag, bytes, bits, &ORDINARY), &[0; 520])), text);
    }
    let other = refusal(&sound(&extended(1, 2, 16, &[7; 14]), &[0; 520]));
    assert_eq!(other, format!("its samples are of the unknown format 0xfffe, but {read}"));
    record(
        "input",
        "WAV of A-law, mu-law, ADPCM, 12-bit integers, 64-bit floats",
        "refused by the name of the encoding",
    );
}

#[test]
fn a_format_may_say_more_than_it_must() {
    let half = (1_i32 << 30).to_le_bytes();
    let longer = |fields: Vec<u8>, by: usize| [fields, vec![0; by]].concat();
    for by in [0, 2, 24] {
        assert_eq!(samples(&longer(fields(1, 1, 4, 32), by), &half), [0.5]);
        assert_eq!(samples(&longer(fields(3, 1, 4, 32), by), &0.25_f32.to_le_bytes()), [0.25]);
        assert_eq!(samples(&longer(extended(1, 4, 32, &ORDINARY), by), &half), [0.5]);
    }
    // 24 bits in four bytes.
    assert_eq!(samples(&fields(1, 1, 4, 24), &[0, 0, 0x40, 0]), [0.5]);
    // In an extended format the bits that are used, here 24, 20 or none said, are the high ones.
    let used = |bytes: u16, bits: u8| {
        let mut fields = extended(1, bytes, 8 * bytes, &ORDINARY);
        fields[18] = bits;
        fields
    };
    assert_eq!(samples(&used(4, 24), &[0, 0, 0, 0x40]), [0.5]);
    assert_eq!(samples(&used(3, 20), &[0, 0, 0x40]), [0.5]);
    assert_eq!(samples(&used(2, 12), &[0, 0x40]), [0.5]);
    assert_eq!(samples(&used(2, 0), &[0, 0x40]), [0.5]);
}

#[test]
fn what_is_missing_or_does_not_agree_is_named() {
    let ([format, data], _) = three();
    let mut uneven = fields(1, 2, 2, 16);
    uneven[12] = 5;
    let mut slow = fields(1, 1, 2, 16);
    slow[8] += 1;
    for (bytes, text) in [
        (vec![], "it does not begin with RIFF and WAVE"),
        (b"RIFX\0\0\0\0WAVE".to_vec(), "it does not begin with RIFF and WAVE"),
        (file(std::slice::from_ref(&format)), "it ends before its data chunk"),
        (file(&[data, format]), "it has no fmt chunk before its data chunk"),
        (sound(&[0; 14], &[]), "its fmt chunk must have 16 bytes or more, but has 14"),
        (
            sound(&fields(0xFFFE, 1, 2, 16), &[]),
            "its fmt chunk must have 40 bytes or more, but has 16",
        ),
        (sound(&fields(1, 0, 2, 16), &[]), "it has no channels"),
        (sound(&uneven, &[]), "its frames of 5 bytes are not whole samples of 2 channels"),
        (sound(&slow, &[0; 2]), "Ill-formed WAVE file: inconsistent fmt chunk"),
    ] {
        assert_eq!(refusal(&bytes), text);
    }
}
