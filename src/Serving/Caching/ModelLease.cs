using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Serving;

/// <summary>The right to use a loaded model, which is not evicted meanwhile. Dispose exactly once.</summary>
internal readonly struct ModelLease : IDisposable
{
    private readonly CachedModel _model;

    internal ModelLease(CachedModel model) => _model = model;

    public ModelKey Key => _model.Key;

    public OnnxSession Session => _model.Session;

    public ModelSignature Signature => _model.Signature;

    /// <summary>Native memory that the model takes.</summary>
    public long Bytes => _model.Bytes;

    public void Dispose() => _model.Release();
}
