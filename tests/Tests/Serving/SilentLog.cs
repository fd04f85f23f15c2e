using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

/// <summary>Keeps messages about failures that a test provokes out of the test log.</summary>
internal sealed class SilentLog : IDisposable
{
    public SilentLog() => OnnxRuntime.Log = static (_, _) => { };

    public void Dispose() => OnnxRuntime.Log = null;
}
