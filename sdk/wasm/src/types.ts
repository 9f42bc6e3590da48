/** An image: `ImageData`, or the same by hand. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}
/** Layout of the bytes; `rgba` if none is given. */
export type PixelFormat = 'rgba' | 'rgb' | 'bgr' | 'gray' | 'rgb565' | 'yuyv' | 'nv12' | 'i420';
export type HeadKind = 'auto' | 'ncm' | 'softmax' | 'ridge' | 'slda' | 'knn';

export interface ExtractorOptions {
  /** Kernels: `wasm-simd128`, the default, or `generic`, which is the reference. Same bits. */
  isa?: 'generic' | 'wasm-simd128';
  /** Row fusion, which saves memory; true if not given. */
  rowFusion?: boolean;
}
export interface HeadOptions {
  /** `auto` if not given. */
  kind?: HeadKind;
  /** Room for classes; 10 if not given, as on a board. */
  classes?: number;
  /** Room for samples; 180 if not given, as on a board. */
  samples?: number;
}

export interface Memory { arena: number; liveSet: number; packed: number; packedInFile: boolean; package: number }
export interface Manifest {
  source: string; cut: string; tool: string; precision: string;
  width: number; height: number; unitLength: boolean;
}
/** `line` is to be compared by eye with that of another machine. */
export interface Verification { ok: boolean; vectors: number; passed: number; digest: string; line: string }
/** Contribution of each part of the frame to the log odds of a class, row by row. */
export interface Activations { width: number; height: number; values: Float32Array }
/** Input of a package that takes signals; places are steps of time, or pixels. */
export interface Sensor { channels: number; places: number; step: number; rate: number; unit: number }
/** A point on an object, or its box, as shares of the frame's width and height. */
export type Mark =
  | { class: number; x: number; y: number }
  | { class: number; left: number; top: number; width: number; height: number };
/** Object that was found: its middle, and its size if that is known. */
export interface Detection {
  class: number; name: string; score: number; x: number; y: number; width?: number; height?: number;
}
/** Outcome of lessons that were tested before they were learned. */
export interface Expected { precision: number; recall: number; f1: number; objects: number }
/** The most unusual cell, and the score of each, row by row; 1 is usual. */
export interface Unusual {
  unusual: boolean; score: number; threshold?: number; x: number; y: number;
  rows: number; columns: number; heat: Float32Array;
}
export interface TuningOptions {
  /** Tunes all weights of the layer in place of its biases. */
  all?: boolean;
  /** Passes over the samples; 20 if not given, 40 with ten samples a class or fewer. */
  epochs?: number;
  /** Step relative to the size of what is tuned; 0.05 for biases, 0.02 for all weights if not given. */
  step?: number;
  /** Parts into which the samples are divided, each held out once; 3 if not given. */
  folds?: number;
  seed?: number;
  /** Keeps the result whatever the held-out samples say. */
  force?: boolean;
}
/** Verdict of the held-out samples; no numbers where a class has too few of them. */
export interface FineTuned {
  kept: boolean; line: string;
  samples?: number; wrongBefore?: number; wrongAfter?: number;
  errorBefore?: number; errorAfter?: number; t?: number;
  /** Bytes of the tail, if it is kept. */
  tail?: Uint8Array;
}
export interface Limits { classes: number; samples: number }
export interface Sample { class: number; embedding: Embedding }
export interface Fit { iterations: number; converged: boolean; gradientNorm: number }
export interface Recipe { kind: HeadKind; transform: string; inverseL2: number }
/** `class` and `name` are those of the nearest class where `known` is false; `similarity` is then its cosine. */
export interface Answer {
  known: boolean; class: number; name: string; confidence: number; margin: number; similarity?: number;
}
export interface PartErrors {
  /** Mean squared held-out error on the last part, and on all values; statistic of a paired t-test. */
  last: number; all: number; t: number;
}
/**
 * Log odds that an embedding is known: `slope * cosine + marginSlope * min(margin, mostMargin) + offset`, of its cosine with the
 * nearest class mean and the difference of the two greatest scores; unknown below `least`.
 */
export interface KnownOdds { slope: number; offset: number; marginSlope: number; mostMargin: number; least: number }
export interface Linear {
  /** First value of an embedding that the head reads. */
  first: number;
  weights: Float32Array; bias: Float32Array; transform: string; meanLength: number;
  inverseTemperature: number; known?: KnownOdds;
}
export interface Report {
  asked: number; right: number; accuracy?: number;
  /** Confidence interval of 95 % of the accuracy on new samples. */
  low: number; high: number; calibrationError?: number;
  /** Rows are the samples' classes, columns the predictions. */
  confusion: number[][];
  /** The held-out prediction for each sample; null where it is alone in its class. */
  answers: ({ class: number; probability: number } | null)[];
  advice: string[];
}
