/** The part of WebAssembly that the engine needs; TypeScript declares it only together with the DOM. */
interface WebAssemblyApi {
  Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: object) => { exports: object };
}

/** Linear memory; never grown here, so views of it stay valid. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** A compiled module. */
export type WasmModule = object;

export const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
