using System.Collections.Concurrent;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Tests.Serving;

public sealed class ModelCacheTests(ITestOutputHelper output)
{
    private static readonly ModelSignature Signature = new() { Task = "t", SampleType = "tabular", Inputs = [], Outputs = [] };

    [Fact]
    public async Task Hit_is_synchronous_and_allocates_nothing()
    {
        await using var cache = NewCache();
        var models = new Models();
        ModelLoader loader = models.LoadAsync;
        var key = new ModelKey("acme", "3");
        (await cache.GetAsync(key, loader, CancellationToken.None)).Dispose();
        for (var i = 0; i < 100; i++) Hit();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) Hit();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1, models.Loads);
        Assert.Equal((1100, 1, 1), (cache.Snapshot().Hits, cache.Snapshot().Misses, cache.Snapshot().Loads));

        void Hit()
        {
            var get = cache.GetAsync(key, loader, CancellationToken.None);
            Assert.True(get.IsCompletedSuccessfully);
            using var lease = get.GetAwaiter().GetResult();
        }
    }

    [Fact]
    public async Task Model_is_loaded_once_for_all_who_wait()
    {
        await using var cache = NewCache();
        var models = new Models { Gate = new TaskCompletionSource() };
        var key = new ModelKey("acme", "3");

        var waiting = Enumerable.Range(0, 20).Select(_ => cache.GetAsync(key, models.LoadAsync, CancellationToken.None).AsTask()).ToArray();
        models.Gate.SetResult();
        var leases = await Task.WhenAll(waiting);

        Assert.Equal(1, models.Loads);
        Assert.All(leases, lease => Assert.Same(leases[0].Session, lease.Session));
        foreach (var lease in leases) lease.Dispose();
    }

    [Fact]
    public async Task Load_outlives_the_caller_that_began_it()
    {
        await using var cache = NewCache();
        var models = new Models { Gate = new TaskCompletionSource() };
        var key = new ModelKey("acme", "3");
        using var gone = new CancellationTokenSource();

        var first = cache.GetAsync(key, models.LoadAsync, gone.Token).AsTask();
        var second = cache.GetAsync(key, models.LoadAsync, CancellationToken.None).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        models.Gate.SetResult();

        (await second).Dispose();
        Assert.Equal(1, models.Loads);
        // The lease of the one who left was given back, or this would not make room.
        cache.Remove(key);
        Assert.Equal((0, 0), (cache.Snapshot().Models, cache.Snapshot().Bytes));
    }

    [Fact]
    public async Task What_was_used_longest_ago_makes_room()
    {
        var models = new Models { WeightBytes = 100_000 };
        await using var cache = NewCache(bytes: 1_000_000);
        var used = new List<string>();
        for (var i = 0; cache.Snapshot().Evictions == 0; i++)
        {
            // Model 0 is used between any two others.
            (await cache.GetAsync(new ModelKey("acme", "0"), models.LoadAsync, CancellationToken.None)).Dispose();
            (await cache.GetAsync(new ModelKey("acme", $"{i + 1}"), models.LoadAsync, CancellationToken.None)).Dispose();
        }

        Assert.True(cache.TryGet(new ModelKey("acme", "0"), out var kept));
        kept.Dispose();
        Assert.False(cache.TryGet(new ModelKey("acme", "1"), out _));
        Assert.InRange(cache.Snapshot().Bytes, 1, 1_000_000);
    }

    [Fact]
    public async Task Leased_models_are_not_evicted_and_a_full_cache_says_which_setting_helps()
    {
        var models = new Models { WeightBytes = 100_000 };
        await using var cache = NewCache(bytes: 2_000_000);
        var leases = new List<ModelLease>();
        ModelCacheFullException? full = null;
        for (var i = 0; full is null; i++)
        {
            try
            {
                leases.Add(await cache.GetAsync(new ModelKey("acme", $"{i}"), models.LoadAsync, CancellationToken.None));
            }
            catch (ModelCacheFullException refused)
            {
                full = refused;
            }
        }

        Assert.Contains("CacheBytesMax", full.Message, StringComparison.Ordinal);
        Assert.NotEmpty(leases);
        Assert.All(leases, lease => Assert.Equal(Models.Expected(lease.Key), Models.Predict(lease.Session)));
        foreach (var lease in leases) lease.Dispose();
        (await cache.GetAsync(new ModelKey("acme", "new"), (key, token) => models.LoadAsync(new ModelKey("acme", "77"), token), CancellationToken.None)).Dispose();
    }

    [Fact]
    public async Task Failure_is_remembered_with_its_reason_and_forgotten_after_a_while()
    {
        var clock = new ManualClock();
        await using var cache = new ModelCache(new ModelCacheOptions { FailureMemory = TimeSpan.FromSeconds(5) }, clock);
        var models = new Models { Failing = { "3" } };
        var key = new ModelKey("acme", "3");

        var first = await Assert.ThrowsAsync<ModelLoadException>(async () => await cache.GetAsync(key, models.LoadAsync, CancellationToken.None));
        Assert.Equal("the disk is on fire", first.Reason);
        models.Failing.Clear();
        clock.Advance(TimeSpan.FromSeconds(4.9));
        await Assert.ThrowsAsync<ModelLoadException>(async () => await cache.GetAsync(key, models.LoadAsync, CancellationToken.None));
        Assert.Equal(1, models.Loads);

        clock.Advance(TimeSpan.FromSeconds(0.2));
        (await cache.GetAsync(key, models.LoadAsync, CancellationToken.None)).Dispose();
        Assert.Equal(2, models.Loads);
    }

    [Fact]
    public async Task Broken_model_gives_back_its_bytes_and_names_the_cause()
    {
        using var silence = new SilentLog();
        await using var cache = NewCache();
        var failure = await Assert.ThrowsAsync<ModelLoadException>(async () => await cache.GetAsync(
            new ModelKey("acme", "1"), (_, _) => Task.FromResult(new ModelContent(ServingPack.OfModel("broken"u8.ToArray()), Signature)), CancellationToken.None));
        Assert.IsType<OnnxException>(failure.InnerException);
        Assert.Equal(0, cache.Snapshot().Bytes);
    }

    [Fact]
    public async Task A_graph_is_paid_by_the_tenant_that_needs_it_and_gives_back_its_bytes_when_it_cannot_be_loaded()
    {
        using var silence = new SilentLog();
        await using var cache = NewCache();
        var sound = ServingForm.Make(TestModels.Logistic([1, 2, 3], 0), CancellationToken.None);
        var broken = sound with { GraphDigest = "broken", Graph = "not a graph"u8.ToArray() };
        for (var i = 0; i < 5; i++)
        {
            await Assert.ThrowsAsync<ModelLoadException>(async () => await cache.GetAsync(
                new ModelKey("acme", $"{i}"), (_, _) => Task.FromResult(new ModelContent(broken, Signature)), CancellationToken.None));
        }
        Assert.Equal(0, cache.Snapshot().Bytes);

        var full = await Assert.ThrowsAsync<ModelCacheFullException>(async () => await cache.GetAsync(
            new ModelKey("acme", "small"), (_, _) => Task.FromResult(new ModelContent(sound, Signature) { TenantBytesMax = 10_000 }), CancellationToken.None));
        Assert.Equal(ModelCacheLimit.TenantBytes, full.Limit);
        Assert.Equal(0, cache.Snapshot().Bytes);
        (await cache.GetAsync(new ModelKey("acme", "small"), (_, _) => Task.FromResult(new ModelContent(sound, Signature)), CancellationToken.None)).Dispose();
        Assert.Equal(1, cache.Snapshot().SharedGraphs);
    }

    [Fact]
    public async Task Too_many_waiting_loads_are_refused_at_once()
    {
        await using var cache = new ModelCache(new ModelCacheOptions { LoadsMax = 1, LoadsWaitingMax = 1 }, TimeProvider.System);
        var models = new Models { Gate = new TaskCompletionSource() };
        var one = cache.GetAsync(new ModelKey("acme", "1"), models.LoadAsync, CancellationToken.None).AsTask();
        var two = cache.GetAsync(new ModelKey("acme", "2"), models.LoadAsync, CancellationToken.None).AsTask();

        await Assert.ThrowsAsync<ModelCacheFullException>(async () => await cache.GetAsync(new ModelKey("acme", "3"), models.LoadAsync, CancellationToken.None));

        models.Gate.SetResult();
        (await one).Dispose();
        (await two).Dispose();
    }

    [Fact]
    public async Task Removed_model_serves_its_leases_to_the_end_and_is_loaded_anew()
    {
        await using var cache = NewCache();
        var models = new Models();
        var key = new ModelKey("acme", "3");
        var lease = await cache.GetAsync(key, models.LoadAsync, CancellationToken.None);

        cache.Remove(key);

        Assert.Equal(Models.Expected(key), Models.Predict(lease.Session));
        var again = await cache.GetAsync(key, models.LoadAsync, CancellationToken.None);
        Assert.NotSame(lease.Session, again.Session);
        var session = lease.Session;
        lease.Dispose();
        Assert.True(session.IsDisposed);
        again.Dispose();
    }

    [Fact]
    public async Task Lease_disposed_twice_is_an_error()
    {
        await using var cache = NewCache();
        var lease = await cache.GetAsync(new ModelKey("acme", "3"), new Models().LoadAsync, CancellationToken.None);
        lease.Dispose();
        Assert.Throws<InvalidOperationException>(lease.Dispose);
    }

    [Fact]
    public async Task Closed_cache_stops_loads_and_frees_all()
    {
        var models = new Models { Gate = new TaskCompletionSource() };
        var cache = NewCache();
        var waiting = cache.GetAsync(new ModelKey("acme", "1"), models.LoadAsync, CancellationToken.None).AsTask();

        await cache.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await cache.GetAsync(new ModelKey("acme", "2"), models.LoadAsync, CancellationToken.None));
        Assert.Equal((0, 0), (cache.Snapshot().Models, cache.Snapshot().Bytes));
    }

    [Fact]
    public async Task A_tenant_makes_room_among_its_own_models_and_is_refused_when_those_are_in_use()
    {
        await using var cache = NewCache();
        var models = new Models { WeightBytes = 100_000, TenantBytesMax = 600_000 };
        (await cache.GetAsync(new ModelKey("other", "1"), models.LoadAsync, CancellationToken.None)).Dispose();
        for (var i = 2; i < 12; i++) (await cache.GetAsync(new ModelKey("acme", $"{i}"), models.LoadAsync, CancellationToken.None)).Dispose();

        // The other tenant's was used longest ago, but is not what makes room.
        Assert.True(cache.TryGet(new ModelKey("other", "1"), out var others));
        others.Dispose();
        Assert.False(cache.TryGet(new ModelKey("acme", "2"), out _));
        Assert.True(cache.TryGet(new ModelKey("acme", "11"), out var last));
        Assert.True(cache.Snapshot().Evictions > 0);
        last.Dispose();

        var leases = new List<ModelLease>();
        var full = await Assert.ThrowsAsync<ModelCacheFullException>(async () =>
        {
            for (var i = 2; i < 12; i++) leases.Add(await cache.GetAsync(new ModelKey("acme", $"{i}"), models.LoadAsync, CancellationToken.None));
        });
        Assert.Equal(ModelCacheLimit.TenantBytes, full.Limit);
        (await cache.GetAsync(new ModelKey("other", "12"), models.LoadAsync, CancellationToken.None)).Dispose();
        foreach (var lease in leases) lease.Dispose();
        (await cache.GetAsync(new ModelKey("acme", "12"), models.LoadAsync, CancellationToken.None)).Dispose();
    }

    [Fact]
    public async Task Pinned_models_stay_whatever_others_need_and_take_only_their_share()
    {
        var clock = new ManualClock();
        await using var cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = 1_000_000, PinnedShareMax = 0.5 }, clock);
        var models = new Models { WeightBytes = 60_000 };
        var outcomes = new List<PinOutcome>();
        for (var i = 0; outcomes is not [.., PinOutcome.Full]; i++)
        {
            Assert.True(i < 10);
            using var lease = await cache.GetAsync(new ModelKey(i < 2 ? "acme" : $"tenant{i}", $"{i}"), models.LoadAsync, CancellationToken.None);
            outcomes.Add(cache.TryPin(lease, lease.Bytes * 3 / 2));
            Assert.Equal(outcomes[^1] == PinOutcome.Pinned, cache.IsPinned(lease.Key));
        }

        // The second one is more than the tenant may pin, the last one more than all may.
        Assert.Equal([PinOutcome.Pinned, PinOutcome.TenantFull, PinOutcome.Pinned], outcomes[..3]);
        Assert.Equal(outcomes.Count - 2, cache.Snapshot().Pinned);
        Assert.InRange(cache.Snapshot().PinnedBytes, 1, 500_000);
        for (var i = 10; i < 40; i++) (await cache.GetAsync(new ModelKey("sweeper", $"{i}"), models.LoadAsync, CancellationToken.None)).Dispose();
        Assert.True(cache.TryGet(new ModelKey("acme", "0"), out var stayed));
        stayed.Dispose();
        Assert.False(cache.TryPeek(new ModelKey("acme", "1"), out _));
        Assert.DoesNotContain(new ModelKey("acme", "0"), cache.Used(100));

        cache.Unpin(new ModelKey("acme", "0"));
        for (var i = 2; i < outcomes.Count; i++) cache.Remove(new ModelKey($"tenant{i}", $"{i}"));
        Assert.Equal((0, 0L), (cache.Snapshot().Pinned, cache.Snapshot().PinnedBytes));
        for (var i = 10; i < 40; i++) (await cache.GetAsync(new ModelKey("sweeper", $"{i}"), models.LoadAsync, CancellationToken.None)).Dispose();
        Assert.False(cache.TryPeek(new ModelKey("acme", "0"), out _));
    }

    [Fact]
    public async Task Stress_of_hits_loads_evictions_removals_and_failures_keeps_every_promise()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        const int workers = 6, rounds = 400, keys = 40;
        var clock = new ManualClock();
        var options = new ModelCacheOptions { CacheBytesMax = 900_000, LoadsMax = 3, FailureMemory = TimeSpan.FromMilliseconds(50) };
        var cache = new ModelCache(options, clock);
        var models = new Models { WeightBytes = 20_000, Failing = { "13", "31" } };
        var refusals = 0;

        await Task.WhenAll(Enumerable.Range(0, workers).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed + worker);
            for (var round = 0; round < rounds; round++)
            {
                // Squared, so that some keys are much hotter than others.
                var number = (int)(random.NextDouble() * random.NextDouble() * keys);
                var key = new ModelKey($"tenant{number % 3}", $"{number}");
                if (random.Next(50) == 0) cache.Remove(key);
                if (random.Next(20) == 0) clock.Advance(TimeSpan.FromMilliseconds(random.Next(20)));
                using var impatient = new CancellationTokenSource();
                var get = cache.GetAsync(key, models.LoadAsync, impatient.Token);
                if (random.Next(10) == 0) await impatient.CancelAsync();
                try
                {
                    using var lease = await get;
                    Assert.DoesNotContain(key.Digest, models.Failing);
                    Assert.Equal(key, lease.Key);
                    Assert.Equal(Models.Expected(key), Models.Predict(lease.Session));
                    if (random.Next(4) == 0) await Task.Yield();
                    Assert.Equal(Models.Expected(key), Models.Predict(lease.Session));
                }
                catch (OperationCanceledException) when (impatient.IsCancellationRequested)
                {
                }
                catch (ModelLoadException failure)
                {
                    Assert.Contains(failure.Key.Digest, models.Failing);
                }
                catch (ModelCacheFullException)
                {
                    Interlocked.Increment(ref refusals);
                }
                Assert.InRange(cache.Snapshot().Bytes, 0, options.CacheBytesMax);
            }
        })));

        var snapshot = cache.Snapshot();
        output.WriteLine($"{snapshot}, refused {refusals}");
        Assert.InRange(models.LoadsAtOnceMax, 1, options.LoadsMax);
        Assert.True(snapshot.Evictions > 0 && snapshot.Failures > 0 && snapshot.Hits > 0);
        await cache.DisposeAsync();
        Assert.Equal((0, 0), (cache.Snapshot().Models, cache.Snapshot().Bytes));
    }

    private static ModelCache NewCache(long bytes = 64 << 20) => new(new ModelCacheOptions { CacheBytesMax = bytes }, TimeProvider.System);

    /// <summary>A store of models; the model named "7" predicts 7. Counts what the cache asks of it.</summary>
    private sealed class Models
    {
        private readonly ConcurrentDictionary<string, byte[]> _built = new();
        private int _loads;
        private int _atOnce;
        private int _atOnceMax;

        public TaskCompletionSource? Gate { get; init; }

        public int WeightBytes { get; init; } = 100;

        public long TenantBytesMax { get; init; } = long.MaxValue;

        public HashSet<string> Failing { get; } = [];

        public int Loads => Volatile.Read(ref _loads);

        public int LoadsAtOnceMax => Volatile.Read(ref _atOnceMax);

        public static float Expected(ModelKey key) => float.Parse(key.Digest);

        public static float Predict(OnnxSession session)
        {
            using var x = OnnxTensor.Create<float>([1], 1);
            using var y = session.Run(x)[0];
            return y.Span<float>()[0];
        }

        public async Task<ModelContent> LoadAsync(ModelKey key, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _loads);
            var atOnce = Interlocked.Increment(ref _atOnce);
            for (var max = _atOnceMax; atOnce > max; max = _atOnceMax) Interlocked.CompareExchange(ref _atOnceMax, atOnce, max);
            try
            {
                if (Gate is not null) await Gate.Task.WaitAsync(cancellationToken);
                await Task.Yield();
                if (Failing.Contains(key.Digest)) throw new IOException("the disk is on fire");
                return new ModelContent(ServingPack.OfModel(_built.GetOrAdd(key.Digest, Build)), Signature) { TenantBytesMax = TenantBytesMax };
            }
            finally
            {
                Interlocked.Decrement(ref _atOnce);
            }
        }

        private byte[] Build(string digest)
        {
            // y = x * value + sum(weights * 0): the weights only weigh.
            var graph = new OnnxGraphBuilder("model");
            var x = graph.Input("x", TensorElementType.Float, 1);
            var weights = graph.Constant("weights", new float[WeightBytes / sizeof(float)]);
            var nothing = graph.Node("ReduceSum", [graph.Node("Mul", [weights, x])], OnnxGraphBuilder.Attribute("keepdims", 0L));
            var value = graph.Constant("value", [float.Parse(digest)], 1);
            graph.Output("y", graph.Node("Add", [graph.Node("Mul", [x, value]), nothing]), TensorElementType.Float, 1);
            return graph.ToBytes();
        }
    }

    /// <summary>A clock that stands still until it is advanced.</summary>
    private sealed class ManualClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }
}
