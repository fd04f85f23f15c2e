using System.Globalization;
using Atoll.Serving;

namespace Atoll.Benchmarks;

/// <summary>How often a model is in memory when it is asked for, against a policy that knows the future.</summary>
/// <remarks>
/// Drives the policy that the server uses, with a made-up trace: models by Zipf's law, a tenth of them new every day's worth of requests, and a tenant
/// that sweeps over all of its cold models. Optimal: evict what is needed last (Belady 1966), which also does not keep what is needed too late.
/// </remarks>
internal static class Churn
{
    private const int Models = 100_000;
    private const int Tenants = 10_000;
    private const double Bar = 0.85;

    private static int Requests { get; set; }

    public static bool Run(BenchmarkArguments arguments)
    {
        Requests = arguments.Number("--requests", 3_000_000);
        Console.WriteLine($"{Models:N0} models of {Tenants:N0} tenants, {Requests:N0} requests, memory for a tenth of the models. Hits in the second half of the requests.");
        Console.WriteLine();
        Console.WriteLine("| trace | ours | least recently used | optimal | ours / optimal | bar |");
        Console.WriteLine("|---|---|---|---|---|---|");
        var met = true;
        // The flat one is for information: no policy that cannot see the future comes near the optimum where most requests are for cold models.
        foreach (var (name, exponent, sweeps, bar) in (ReadOnlySpan<(string, double, bool, double)>)
                 [("Zipf 1.0", 1.0, false, Bar), ("Zipf 1.0, and one tenant sweeps over 20,000 cold models", 1.0, true, Bar), ("Zipf 0.8", 0.8, false, 0)])
        {
            var trace = Trace(exponent, sweeps);
            var (ours, lru, optimal) = (Ours(trace), LeastRecentlyUsed(trace), Optimal(trace));
            met &= ours >= bar * optimal;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {ours:P1} | {lru:P1} | {optimal:P1} | {ours / optimal:F3} | {(bar > 0 ? bar : "")} |"));
        }
        return met || arguments.IsSmoke;
    }

    private static int[] Trace(double exponent, bool sweeps)
    {
        var random = new Random(7);
        var cumulative = new double[Models];
        double sum = 0;
        for (var i = 0; i < Models; i++) cumulative[i] = sum += 1 / Math.Pow(i + 1, exponent);
        // Which model has which rank; it drifts, as use does.
        var models = Enumerable.Range(0, Models).ToArray();
        random.Shuffle(models);
        var trace = new int[Requests];
        for (var i = 0; i < Requests; i++)
        {
            if (i % 100 == 0)
            {
                var (a, b) = (random.Next(Models), random.Next(Models));
                (models[a], models[b]) = (models[b], models[a]);
            }
            if (sweeps && i % 4 == 0)
            {
                trace[i] = Models + (i / 4 % 20_000);
                continue;
            }
            var rank = Array.BinarySearch(cumulative, random.NextDouble() * sum);
            trace[i] = models[Math.Min(Models - 1, rank < 0 ? ~rank : rank)];
        }
        return trace;
    }

    // Hits of the sweep count for nobody: it asks for what it cannot have.
    private static double Rate(int[] trace, Func<int, int, bool> isHit)
    {
        int hits = 0, requests = 0;
        for (var i = 0; i < trace.Length; i++)
        {
            var hit = isHit(i, trace[i]);
            if (i < trace.Length / 2 || trace[i] >= Models) continue;
            requests++;
            if (hit) hits++;
        }
        return (double)hits / requests;
    }

    private static double Ours(int[] trace)
    {
        var policy = new EvictionPolicy();
        var resident = new Dictionary<int, Item>();
        return Rate(trace, (_, model) =>
        {
            if (resident.TryGetValue(model, out var known))
            {
                known.Touch();
                return true;
            }
            var item = new Item(model);
            while (policy.Bytes >= Models / 10)
                if (!policy.EvictFor(item.Tenant, 0, old => resident.Remove(((Item)old).Model))) throw new InvalidOperationException("Nothing could be evicted.");
            resident[model] = item;
            policy.Add(item);
            return false;
        });
    }

    private static double LeastRecentlyUsed(int[] trace)
    {
        var places = new Dictionary<int, LinkedListNode<int>>();
        var order = new LinkedList<int>();
        return Rate(trace, (_, model) =>
        {
            var isHit = places.Remove(model, out var node);
            if (isHit) order.Remove(node!);
            else if (places.Count == Models / 10)
            {
                places.Remove(order.First!.Value);
                order.RemoveFirst();
            }
            places[model] = order.AddLast(model);
            return isHit;
        });
    }

    private static double Optimal(int[] trace)
    {
        var next = new int[trace.Length];
        var seen = new Dictionary<int, int>();
        for (var i = trace.Length - 1; i >= 0; i--)
        {
            next[i] = seen.GetValueOrDefault(trace[i], int.MaxValue);
            seen[trace[i]] = i;
        }
        var due = new Dictionary<int, int>();
        var last = new PriorityQueue<(int Model, int Due), int>();
        return Rate(trace, (i, model) =>
        {
            var isHit = due.ContainsKey(model);
            if (next[i] == int.MaxValue)
            {
                due.Remove(model);
                return isHit;
            }
            due[model] = next[i];
            last.Enqueue((model, next[i]), -next[i]);
            while (due.Count > Models / 10)
            {
                var (candidate, when) = last.Dequeue();
                // An entry of before its last use.
                if (due.TryGetValue(candidate, out var current) && current == when) due.Remove(candidate);
            }
            return isHit;
        });
    }

    /// <summary>A model that is in memory.</summary>
    private sealed class Item(int model) : Evictable
    {
        public int Model => model;

        public override string Tenant { get; } = model >= Models ? "sweeper" : $"tenant-{model % Tenants}";

        public override ulong Fingerprint => (ulong)model;

        public override long Bytes => 1;
    }
}
