//! Stored hashes of every operation's output. They hold on every instruction set of every CPU; a
//! change of one of them is a change of `KERNEL_VERSION`.

use mica_kernels::{
    Activations, Isa, KERNEL_VERSION, Matrix, WeightType,
    attention::{Shape, attend},
    elementwise, embedding, f16, math, norm, rope,
};

/// Version that the hashes below belong to.
const VERSION: u32 = 1;

fn hash(values: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Values made by integer arithmetic alone.
fn floats(n: u32, salt: u32) -> Vec<f32> {
    let value = |i: u32| {
        (i.wrapping_mul(2_654_435_761).wrapping_add(salt.wrapping_mul(40_503)) >> 8) as f32
    };
    (0..n).map(|i| (value(i) / 8_388_608.0 - 1.0) * 2.0).collect()
}

fn blocks(n: u32, bytes: u32) -> Vec<u8> {
    let byte = |i: u32| (i.wrapping_mul(2_246_822_519) >> 13) as u8;
    let scale = |i: u32| f16::from_f32((f32::from(byte(i)) - 100.0) / 4096.0).to_le_bytes();
    (0..n)
        .flat_map(|block| {
            scale(block).into_iter().chain((2..bytes).map(move |i| byte(block * bytes + i)))
        })
        .collect()
}

/// Blocks of any format: bytes as above, the f16 scales at their places.
fn weights(format: WeightType, n: usize) -> Vec<u8> {
    let byte = |i: usize| ((i as u32).wrapping_mul(2_246_822_519) >> 13) as u8;
    let mut bytes: Vec<u8> = (0..n * format.block_bytes()).map(byte).collect();
    for (index, block) in bytes.chunks_exact_mut(format.block_bytes()).enumerate() {
        if format == WeightType::MXFP4 {
            block[0] = 100 + block[0] % 40;
        }
        for &at in format.halves() {
            let scale = f16::from_f32((f32::from(byte(index + at)) - 100.0) / 4096.0);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    bytes
}

fn product(isa: Isa, matrix: &Matrix, values: &[f32]) -> Vec<f32> {
    let mut x = Activations::new();
    x.load(isa, values, matrix.columns(), matrix.forms());
    let mut out = vec![0.0; x.rows() * matrix.rows()];
    matrix.matmul(isa, &x, 0..matrix.groups(), &mut out);
    out
}

fn outputs(isa: Isa) -> Vec<(&'static str, String)> {
    let (rows, columns) = (37usize, 320usize);
    let x = floats(3 * 320, 1);
    let dense = floats(37 * 320, 2);
    let f32s: Vec<u8> = dense.iter().flat_map(|x| x.to_le_bytes()).collect();
    let f16s: Vec<u8> = dense.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    let (q8, q4) = (blocks(37 * 10, 34), blocks(37 * 10, 18));
    let matrices = [
        ("f32", Matrix::new(WeightType::F32, rows, columns, &f32s)),
        ("f16", Matrix::new(WeightType::F16, rows, columns, &f16s)),
        ("q8_0", Matrix::new(WeightType::Q8_0, rows, columns, &q8)),
        ("q4_0", Matrix::new(WeightType::Q4_0, rows, columns, &q4)),
    ];
    let mut all: Vec<_> = matrices
        .into_iter()
        .map(|(name, matrix)| (name, hash(&product(isa, &matrix.expect("shape fits"), &x))))
        .collect();

    let bf16s: Vec<u8> =
        dense.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect();
    all.push((
        "bf16",
        hash(&product(
            isa,
            &Matrix::new(WeightType::BF16, rows, columns, &bf16s).expect("shape fits"),
            &x,
        )),
    ));
    let mut embedded = Vec::new();
    let wide = floats(5 * 768, 6);
    for format in [
        WeightType::Q4_1,
        WeightType::Q5_0,
        WeightType::Q5_1,
        WeightType::Q4_K,
        WeightType::Q5_K,
        WeightType::Q6_K,
    ] {
        let bytes = weights(format, 37 * 768 / format.block_elements());
        let matrix = Matrix::new(format, rows, 768, &bytes).expect("shape fits");
        all.push((format.name(), hash(&product(isa, &matrix, &wide))));
        let mut row = vec![0.0; 768];
        embedding::row(format, &bytes[..format.row_bytes(768).expect("whole blocks")], &mut row);
        embedded.extend(row);
    }
    all.push(("embeddings", hash(&embedded)));

    let mut others = Vec::new();
    for format in [
        WeightType::Q2_K,
        WeightType::Q3_K,
        WeightType::IQ4_NL,
        WeightType::IQ4_XS,
        WeightType::MXFP4,
    ] {
        let bytes = weights(format, 37 * 768 / format.block_elements());
        let matrix = Matrix::new(format, rows, 768, &bytes).expect("shape fits");
        all.push((format.name(), hash(&product(isa, &matrix, &wide))));
        let mut row = vec![0.0; 768];
        embedding::row(format, &bytes[..format.row_bytes(768).expect("whole blocks")], &mut row);
        others.extend(row);
    }
    all.push(("other embeddings", hash(&others)));

    let mut row = vec![0.0; columns];
    embedding::row(WeightType::Q8_0, &q8[..340], &mut row);
    let mut other = vec![0.0; columns];
    embedding::row(WeightType::Q4_0, &q4[..180], &mut other);
    all.push(("embedding", hash(&[row, other].concat())));

    let mut normed = vec![0.0; 960];
    norm::rms_norm(isa, &x, &floats(960, 3), 1e-5, &mut normed);
    all.push(("rms_norm", hash(&normed)));
    let mut gate = x.iter().map(|x| x * 40.0).collect::<Vec<_>>();
    let gate_inputs = x.iter().map(|x| x * 6.0).collect::<Vec<_>>();
    elementwise::silu_mul(isa, &mut gate, &normed);
    all.push(("silu_mul", hash(&gate)));
    let mut soft = x.clone();
    elementwise::softmax(isa, &mut soft);
    all.push(("softmax", hash(&soft)));
    all.push(("exp", hash(&x.iter().map(|x| math::exp(x * 40.0)).collect::<Vec<_>>())));

    let frequencies: Vec<f64> = (0..20).map(|pair| rope::frequency(500_000.0, pair, 40)).collect();
    let (mut cos, mut sin) = (vec![0.0; 20], vec![0.0; 20]);
    rope::angles(77_777, &frequencies, &mut cos, &mut sin);
    let mut turned = x.clone();
    rope::rotate(isa, &mut turned, 40, &cos, &sin);
    all.push(("rope", hash(&[cos, sin, turned].concat())));

    let mut shape = Shape { head_size: 40, group: 3, first_position: 150, rows: 8, window: None };
    let halves =
        |salt| floats(158 * 40, salt).iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
    let mut scratch = vec![0.0; shape.scratch_len()];
    let mut attended = vec![0.0; 960];
    let (keys, values) = (halves(4), halves(5));
    let tile = |t: usize| (&keys[t * 64 * 40..], &values[t * 64 * 40..]);
    attend(isa, shape, 0.158, &[], &x, tile, &mut scratch, &mut attended);
    all.push(("attention", hash(&attended)));
    shape.window = Some(70);
    attend(isa, shape, 0.158, &[0.5, -1.0, 2.0], &x, tile, &mut scratch, &mut attended);
    all.push(("attention in a window with sinks", hash(&attended)));
    let (mut gelu, mut clamped) = (gate_inputs.clone(), gate_inputs);
    elementwise::gelu_mul(isa, &mut gelu, &normed);
    elementwise::clamped_swiglu(isa, &mut clamped, &normed);
    all.push(("gelu_mul", hash(&gelu)));
    all.push(("clamped_swiglu", hash(&clamped)));
    all
}

#[test]
fn outputs_have_the_stored_hashes_on_every_instruction_set() {
    assert_eq!(KERNEL_VERSION, VERSION, "the arithmetic changed: store new hashes");
    let stored: Vec<(&str, String)> =
        STORED.iter().map(|&(name, hash)| (name, hash.to_owned())).collect();
    for isa in Isa::available() {
        assert_eq!(outputs(isa), stored, "{}", isa.name());
    }
}

const STORED: [(&str, &str); 28] = [
    ("f32", "fe85ba99b7d6e020"),
    ("f16", "48159272aab1bfbc"),
    ("q8_0", "65f1f7efa7cfc037"),
    ("q4_0", "43b2dd7feb97dd83"),
    ("bf16", "49046ef407df3aa2"),
    ("Q4_1", "1e9849989f7eca31"),
    ("Q5_0", "0122c936b39a58b7"),
    ("Q5_1", "867abfde10df22bf"),
    ("Q4_K", "549606b1c6ec14a0"),
    ("Q5_K", "3e789b86220ba58a"),
    ("Q6_K", "076132a92ea9db8a"),
    ("embeddings", "f8386a910f7cb30c"),
    ("Q2_K", "eb70c1bf3f70eecb"),
    ("Q3_K", "413d5e55ca35292c"),
    ("IQ4_NL", "7ab6d587eac3c19d"),
    ("IQ4_XS", "c78ab6d4f56e1797"),
    ("MXFP4", "dd9abd13b5b1e30a"),
    ("other embeddings", "de1ad68e32e67548"),
    ("embedding", "8bc32d0c00b326e4"),
    ("rms_norm", "baaaf1e20b5e6592"),
    ("silu_mul", "2cd7e58e6c621089"),
    ("softmax", "3fe4d1a3e6595992"),
    ("exp", "62bdc47551529923"),
    ("rope", "d60894e12db344b7"),
    ("attention", "778f60e0c4173a04"),
    ("attention in a window with sinks", "d51a99803400d630"),
    ("gelu_mul", "9aab6e19252d99e3"),
    ("clamped_swiglu", "87cc73df49f2ec29"),
];
