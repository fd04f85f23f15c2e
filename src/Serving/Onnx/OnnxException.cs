namespace Atoll.Serving.Onnx;

/// <summary>What kind of failure ONNX Runtime reported; the numbers are its own.</summary>
internal enum OnnxErrorCode
{
    Ok = 0,
    Fail = 1,
    InvalidArgument = 2,
    NoSuchFile = 3,
    NoModel = 4,
    EngineError = 5,
    RuntimeException = 6,
    InvalidProtobuf = 7,
    ModelLoaded = 8,
    NotImplemented = 9,
    InvalidGraph = 10,
    ExecutionProviderFail = 11,
    ModelLoadCanceled = 12,
    ModelRequiresCompilation = 13,
    NotFound = 14,
    DeviceReset = 15,
}

/// <summary>A model cannot be loaded or run as asked; the code says whose fault it is.</summary>
internal sealed class OnnxException(OnnxErrorCode code, string message) : Exception(message)
{
    public OnnxErrorCode Code { get; } = code;
}
