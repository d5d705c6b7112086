// SPDX-License-Identifier: GPL-2.0

//! How long the parts take on this machine.

use std::time::Instant;

use criterion::Criterion;
use dst_bench::parts::{
    DIGESTS,
    PARTS, //
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();

    for part in PARTS.iter().chain(&DIGESTS) {
        criterion.bench_function(part.name, |bencher| {
            bencher.iter_custom(|times| {
                let begin = Instant::now();

                (part.run)(times);
                begin.elapsed()
            });
        });
    }
    criterion.final_summary();
}
