/** Lower-case hex. */
export declare function sha256OfFile(file: string): string
