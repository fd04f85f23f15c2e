using System.Text.Json;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc;
using Microsoft.Extensions.ObjectPool;

namespace Atoll.Prediction;

/// <summary>What one request needs while it is answered; used again for later ones.</summary>
internal sealed class PredictionWork
{
    private static readonly ObjectPool<PredictionWork> Pool = ObjectPool.Create(new Policy());

    public SampleBatch Samples { get; } = new();

    public PooledBuffer Answer { get; } = new();

    public Utf8JsonWriter Json { get; } = new(Stream.Null, new JsonWriterOptions { Encoder = JsonText.Encoder, SkipValidation = true });

    /// <summary>Of a request of the Open Inference Protocol.</summary>
    public InferTensors Tensors { get; }

    public InferRequest InferRequest { get; }

    public InferResponse InferResponse { get; }

    /// <summary>The same over gRPC.</summary>
    public InferMessage InferMessage { get; } = new();

    public InferAnswer InferAnswer { get; } = new();

    /// <summary>How many labels the caller asks for; null for as many as one wants to see.</summary>
    public int? Top { get; set; }

    /// <summary>How many factors the caller asks for with each prediction; null for none.</summary>
    public int? Explain { get; set; }

    /// <summary>Those factors, in the order of the samples; null when they were not asked for.</summary>
    public FactorSearch? Factors { get; set; }

    /// <summary>The samples came as a csv file.</summary>
    public bool IsCsv { get; set; }

    public PredictionWork()
    {
        Tensors = new InferTensors();
        InferRequest = new InferRequest(Tensors);
        InferResponse = new InferResponse(InferRequest, Tensors, Answer, Json);
    }

    /// <summary>Takes one until the lease is disposed.</summary>
    public static Lease Rent() => new(Pool.Get());

    /// <summary>Gives back what was rented.</summary>
    public readonly struct Lease(PredictionWork work) : IDisposable
    {
        public PredictionWork Work => work;

        public void Dispose() => Pool.Return(work);
    }

    private sealed class Policy : PooledObjectPolicy<PredictionWork>
    {
        public override PredictionWork Create() => new();

        public override bool Return(PredictionWork work)
        {
            work.Samples.Trim();
            work.InferResponse.Clear();
            work.InferAnswer.Dispose();
            work.InferMessage.Clear();
            work.Tensors.Dispose();
            work.Answer.Clear();
            work.Top = null;
            work.Explain = null;
            work.Factors = null;
            work.IsCsv = false;
            return true;
        }
    }
}
