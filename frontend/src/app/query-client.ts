import { QueryClient } from "@tanstack/react-query";
import { asProblem } from "../api/problem";

/** The live stream keeps data fresh, so nothing polls; an answer of the API (4xx) is never asked for again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => {
        const { status } = asProblem(error);
        return failures < 2 && (status === 0 || status >= 502);
      },
    },
  },
});
