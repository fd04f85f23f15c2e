using System.Text.Json;
using Microsoft.Extensions.ObjectPool;

namespace Atoll.Prediction;

/// <summary>What one request needs while it is answered; used again for later ones.</summary>
internal sealed class PredictionWork : IDisposable
{
    private static readonly ObjectPool<PredictionWork> Pool = ObjectPool.Create(new Policy());

    public SampleBatch Samples { get; } = new();

    public PooledBuffer Answer { get; } = new();

    public Utf8JsonWriter Json { get; } = new(Stream.Null, new JsonWriterOptions { Encoder = JsonText.Encoder, SkipValidation = true });

    /// <summary>How many labels the caller asks for; null for as many as one wants to see.</summary>
    public int? Top { get; set; }

    /// <summary>The samples came as a csv file.</summary>
    public bool IsCsv { get; set; }

    public static PredictionWork Rent() => Pool.Get();

    /// <summary>Gives it back.</summary>
    public void Dispose() => Pool.Return(this);

    private sealed class Policy : PooledObjectPolicy<PredictionWork>
    {
        public override PredictionWork Create() => new();

        public override bool Return(PredictionWork work)
        {
            work.Samples.Trim();
            work.Answer.Clear();
            work.Top = null;
            work.IsCsv = false;
            return true;
        }
    }
}
