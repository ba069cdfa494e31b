/** `asciichart` has no types of its own: the part of it that is used here. */
declare module 'asciichart' {
  const asciichart: {
    /** Every value must be finite. Returns about `height + 1` lines. */
    plot(
      series: readonly (readonly number[])[],
      options?: {
        height?: number;
        min?: number;
        max?: number;
        /** Cells before the curve, labels included. */
        offset?: number;
        format?: (value: number) => string;
        /** SGR sequences, one a series. */
        colors?: readonly string[];
      },
    ): string;
  };
  export default asciichart;
}
