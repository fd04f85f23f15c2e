namespace Atoll.Serving.Onnx;

/// <summary>The form in which an optimised model is kept.</summary>
internal enum OnnxModelFormat
{
    /// <summary>ONNX's own protobuf.</summary>
    Onnx,

    /// <summary>ONNX Runtime's flatbuffer: trees load faster from it and cost a fraction of the memory.</summary>
    Ort,
}

/// <summary>Optimises models once, when they are registered, so that loading them later costs less.</summary>
internal static unsafe class OnnxOptimizer
{
    /// <summary>Returns the optimised model. Load it with <see cref="OnnxSessionOptions.Optimized"/>.</summary>
    public static byte[] Optimize(ReadOnlySpan<byte> model, OnnxModelFormat format = OnnxModelFormat.Onnx)
    {
        // Constant folding and operator fusions, but no layouts made for the processor at hand: the result must run on another
        // machine, and a node that lacks this one's vector instructions would refuse it.
        const int enableExtended = 2;

        if (model.IsEmpty) throw new OnnxException(OnnxErrorCode.NoModel, "The model is empty.");
        var api = OnnxRuntime.Api;
        // The C API writes an optimised model to a file only.
        var folder = Directory.CreateTempSubdirectory("atoll-optimize-").FullName;
        try
        {
            var path = Path.Combine(folder, "model");
            var options = OnnxSession.CreateOptions(api, OnnxSessionOptions.Default);
            nint session;
            try
            {
                api.Check(api.SetSessionGraphOptimizationLevel(options, enableExtended));
                OnnxSession.AddConfig(api, options, "session.save_model_format\0"u8, format == OnnxModelFormat.Ort ? "ORT\0"u8 : "ONNX\0"u8);
                fixed (byte* file = OnnxSession.ToNativePath(path)) api.Check(api.SetOptimizedModelFilePath(options, file));
                fixed (byte* bytes = model)
                    api.Check(api.CreateSessionFromArray(OnnxRuntime.Environment, bytes, (nuint)model.Length, options, &session));
            }
            finally
            {
                api.ReleaseSessionOptions(options);
            }
            api.ReleaseSession(session);
            return File.ReadAllBytes(path);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
