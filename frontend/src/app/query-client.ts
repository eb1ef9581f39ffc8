import { QueryClient } from "@tanstack/react-query";
import { asProblem } from "../api/problem";

/** What does not exist is not asked for again. */
const isGone = (error: unknown): boolean => error !== null && asProblem(error).status === 404;

/** The live stream keeps data fresh, so nothing polls; an answer of the API (4xx) is never asked for again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: (query) => !isGone(query.state.error),
      refetchOnReconnect: (query) => !isGone(query.state.error),
      retry: (failures, error) => {
        const { status } = asProblem(error);
        return failures < 2 && (status === 0 || status >= 502);
      },
    },
  },
});
