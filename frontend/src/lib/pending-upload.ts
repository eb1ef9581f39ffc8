/** A file dropped on one page and uploaded by another; it lives in memory only. */
let waiting: File | null = null;

export const pendingUpload = {
  put(file: File): void {
    waiting = file;
  },
  take(): File | null {
    const file = waiting;
    waiting = null;
    return file;
  },
};
