// Makes junctions.tsv in this folder with polkadot-js itself: `node junctions.mjs`. A line is a step of a derivation path and its chain code.
import { writeFileSync } from 'node:fs';
import { u8aToHex } from '@polkadot/util';
import { DeriveJunction } from '@polkadot/util-crypto/key/DeriveJunction';

const STEPS = [
  '0', '7', '007', '9007199254740993', '18446744073709551615', '-1', '1.5', '1e3', '0xzz', '0X12', '+', '++5', 'a', 'Ω≈ç',
  'x'.repeat(31), 'x'.repeat(100), '18446744073709551616', '340282366920938463463374607431768211456', '+5', '+0', '0x12', '0xABCDEF', '0x', '0x1', '0xABCDE',
  `0x${'ab'.repeat(32)}`,
];

const lines = STEPS.map((step) => `${step}\t${u8aToHex(DeriveJunction.from(step).chainCode).slice(2)}\n`);
writeFileSync('junctions.tsv', lines.join(''));
