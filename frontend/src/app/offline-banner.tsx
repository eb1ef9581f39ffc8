import { useOnline } from "../lib/hooks";

/** On every page while this device has no network. */
export function OfflineBanner() {
  if (useOnline()) return null;
  return (
    <p role="alert" className="mb-5 rounded-md border border-warn bg-warn-soft px-4 py-3">
      <span className="font-medium text-warn">This device is offline.</span> What you see may be old, and nothing can be saved. Check the network connection; the page goes on by itself once it is back.
    </p>
  );
}
