import { useEffect } from "react";
import { Toaster } from "sonner";
import { useTheme } from "../lib/appearance";
import { toasterMounted } from "../ui/toast";

export default function Toasts() {
  const theme = useTheme();
  useEffect(toasterMounted, []);
  return (
    <Toaster
      theme={theme === "dark" ? "dark" : "light"}
      position="bottom-right"
      toastOptions={{
        style: { background: "var(--solid)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: 10, fontFamily: "var(--font-sans)", fontSize: 14 },
        classNames: { description: "!text-muted", actionButton: "!bg-accent !text-on-accent" },
      }}
    />
  );
}
