using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>A hot model gets a session of its own while that pays, and is never without an answer.</summary>
public sealed class HotModelsTests
{
    private const int Budget = 4_000_000;

    private static readonly ModelSignature Signature = new() { Task = "t", SampleType = "tabular", Inputs = [], Outputs = [] };
    private static readonly ModelKey Key = new("acme", "model");
    private static readonly HotModelOptions AlwaysPays = new() { Share = 0.05, GainMin = -1_000 };

    private readonly VirtualClock _clock = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_hot_model_changes_its_session_under_its_leases_and_changes_back_when_it_cools()
    {
        await using var cache = NewCache();
        var hot = new HotModels(cache, LoadAsync, AlwaysPays, _clock);
        using var before = await cache.GetAsync(Key, LoadAsync, Token);
        var bytes = cache.Snapshot().Bytes;
        Work(before.Session, 0.02);
        await TickAsync(hot);
        Assert.Equal(0, hot.Snapshot().Tried);
        Work(before.Session, 0.2);
        await TickAsync(hot);

        Assert.Equal(new HotModelsSnapshot(1, 1, 1, 0), hot.Snapshot());
        Assert.Equal((1, 1), (cache.Snapshot().Hot, cache.Snapshot().Split));
        Assert.True(cache.Snapshot().Bytes > bytes);
        using (var lease = Get(cache))
        {
            Assert.NotSame(before.Session, lease.Session);
            Assert.Same(before.Session.Statistics, lease.Session.Statistics);
            Assert.Equal(["x"], lease.Session.Inputs.Select(input => input.Name));
            Assert.Equal(Predict(before.Session), Predict(lease.Session), 1e-5f);

            // A quarter of the share is warm enough to keep it.
            Work(lease.Session, 0.02);
            await TickAsync(hot);
            Assert.Equal(1, hot.Snapshot().Hot);
            await TickAsync(hot);
            Assert.Equal(new HotModelsSnapshot(0, 1, 1, 1), hot.Snapshot());
            Assert.Equal(Predict(before.Session), Predict(lease.Session), 1e-5f);
        }
        using var after = Get(cache);
        Assert.Same(before.Session, after.Session);
        Assert.Equal(bytes, cache.Snapshot().Bytes);
    }

    [Fact]
    public async Task What_does_not_pay_is_not_kept_and_not_tried_again_for_a_while()
    {
        await using var cache = NewCache();
        var hot = new HotModels(cache, LoadAsync, AlwaysPays with { GainMin = 1 }, _clock);
        using var lease = await cache.GetAsync(Key, LoadAsync, Token);
        var bytes = cache.Snapshot().Bytes;
        for (var i = 0; i < 3; i++)
        {
            Work(lease.Session, 1);
            await TickAsync(hot);
        }
        Assert.Equal(new HotModelsSnapshot(0, 1, 0, 0), hot.Snapshot());
        Assert.Equal(bytes, cache.Snapshot().Bytes);
        _clock.Advance(TimeSpan.FromMinutes(10));
        Work(lease.Session, 1_000);
        await TickAsync(hot);
        Assert.Equal(2, hot.Snapshot().Tried);
    }

    [Fact]
    public async Task Its_own_session_leaves_memory_before_any_model_does()
    {
        await using var cache = NewCache();
        var hot = new HotModels(cache, LoadAsync, AlwaysPays, _clock);
        (await cache.GetAsync(Key, LoadAsync, Token)).Dispose();
        using (var lease = Get(cache)) Work(lease.Session, 1);
        await TickAsync(hot);
        Assert.Equal(1, hot.Snapshot().Hot);

        // Memory fills up: as long as the session of its own is there, nothing is evicted for others.
        for (var i = 0; hot.Snapshot().Hot == 1; i++)
        {
            Assert.Equal(0, cache.Snapshot().Evictions);
            (await cache.GetAsync(new ModelKey("other", $"{i}"), LoadAsync, Token)).Dispose();
        }
        Assert.Equal(0, cache.Snapshot().Evictions);
        Assert.True(cache.Snapshot().Bytes <= Budget);
        Get(cache).Dispose();

        // Without free room the next one is not even made, and removal frees both forms.
        using (var lease = Get(cache)) Work(lease.Session, 10_000);
        _clock.Advance(TimeSpan.FromMinutes(20));
        for (var i = 0; i < 40; i++) (await cache.GetAsync(new ModelKey("other", $"{i}"), LoadAsync, Token)).Dispose();
        await TickAsync(hot);
        Assert.Equal(0, hot.Snapshot().Hot);
        cache.RemoveAll("acme");
        cache.RemoveAll("other");
        Assert.Equal((0, 0L), (cache.Snapshot().Models, cache.Snapshot().Bytes));
    }

    [Fact]
    public async Task Removing_a_hot_model_frees_both_of_its_forms()
    {
        await using var cache = NewCache();
        var hot = new HotModels(cache, LoadAsync, AlwaysPays, _clock);
        using (var lease = await cache.GetAsync(Key, LoadAsync, Token)) Work(lease.Session, 1);
        await TickAsync(hot);
        Assert.Equal(1, hot.Snapshot().Hot);
        cache.Remove(Key);
        Assert.Equal((0, 0, 0L, 0), (hot.Snapshot().Hot, cache.Snapshot().Models, cache.Snapshot().Bytes, cache.Snapshot().Split));
    }

    private ModelCache NewCache() => new(new ModelCacheOptions { CacheBytesMax = Budget }, _clock);

    /// <summary>Ten seconds in which the model ran for so many.</summary>
    private async Task TickAsync(HotModels hot)
    {
        _clock.Advance(TimeSpan.FromSeconds(10));
        await hot.TickAsync(Token);
    }

    private void Work(OnnxSession session, double share)
    {
        session.Statistics.AddRun(1, TimeSpan.FromSeconds(10 * share), _clock.GetTimestamp());
        session.Count(TimeSpan.FromMilliseconds(1));
    }

    private static ModelLease Get(ModelCache cache)
    {
        Assert.True(cache.TryGet(Key, out var lease));
        return lease;
    }

    private static float Predict(OnnxSession session)
    {
        using var x = OnnxTensor.Create<float>([.. Enumerable.Range(0, 64).Select(i => i / 64f)], 1, 64);
        using var y = session.Run(x)[0];
        return y.Span<float>()[0];
    }

    private static Task<ModelContent> LoadAsync(ModelKey key, CancellationToken cancellationToken) => LoadAsync(key, Signature, cancellationToken);

    private static Task<ModelContent> LoadAsync(ModelKey key, ModelSignature signature, CancellationToken cancellationToken)
    {
        var pack = ServingForm.Make(Dense(), cancellationToken);
        Assert.NotNull(pack.GraphDigest);
        return Task.FromResult(new ModelContent(pack, signature));
    }

    /// <summary>Two layers that take <c>x</c> of 64 numbers and give <c>y</c>.</summary>
    internal static byte[] Dense()
    {
        var random = new Random(1);
        var graph = new OnnxGraphBuilder("dense");
        var x = graph.Input("x", TensorElementType.Float, "N", 64);
        float[] Weights(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        var hidden = graph.Node("Relu", [graph.Node("Gemm", [x, graph.Constant("w", Weights(64 * 256), 64, 256), graph.Constant("b", Weights(256))])]);
        graph.Output("y", graph.Node("Gemm", [hidden, graph.Constant("v", Weights(256), 256, 1), graph.Constant("c", Weights(1))]), TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }
}
