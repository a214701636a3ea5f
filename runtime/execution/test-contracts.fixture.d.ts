import { type GenesisContract, type Manifest, type Schema } from '../protocol/index.js';
export interface TestContract {
    manifest: Manifest;
    manifestBytes: Uint8Array;
    code: Uint8Array;
}
/** A manifest with the fields that tests rarely care about filled in. */
export declare function manifestOf(fields: Partial<Manifest> & {
    alias: string;
}): Manifest;
export declare const noSchema: Schema;
/** Methods by name and kind, with a fuel bound. */
export declare const methodsOf: (methods: Record<string, Manifest["methods"][number]["kind"]>, fuel?: number) => Manifest["methods"];
/** A contract from WebAssembly text; the host imports and a page of memory are there already. */
export declare function contractOf(fields: Partial<Manifest> & {
    alias: string;
}, body: string): TestContract;
export declare const genesisContract: ({ manifestBytes, code }: TestContract) => GenesisContract;
/**
 * `ward/policy` of the tests: everybody may append, except authors in table 0. The grant is 16 bytes of
 * 0x11.
 */
export declare const openPolicy: TestContract;
/**
 * `ward/governance` of the tests: hands its argument to the kernel; a refusal becomes an abort with its
 * number.
 */
export declare const plainGovernance: TestContract;
/**
 * `ward/alerts` of the tests: each raise is an alert record for the patient behind rule, version and
 * address.
 */
export declare const plainAlerts: TestContract;
export declare const systemContracts: GenesisContract[];
/** A compiled contract of contracts-as, or undefined where the build has not made it. */
export declare function builtContract(name: string): TestContract | undefined;
