using System.Runtime.InteropServices;

namespace Atoll.Serving.Onnx;

/// <summary>The functions of ONNX Runtime's C API that the binding calls.</summary>
/// <remarks>
/// Positions are those of struct OrtApi in onnxruntime_c_api.h of API version 29. The struct only ever grows at its end, so
/// a newer library gives the same functions at the same places when asked for version 29.
/// </remarks>
internal sealed unsafe class OrtApi
{
    private const uint ApiVersion = 29;

    public readonly delegate* unmanaged<OnnxErrorCode, byte*, nint> CreateStatus;
    public readonly delegate* unmanaged<nint, OnnxErrorCode> GetErrorCode;
    public readonly delegate* unmanaged<nint, byte*> GetErrorMessage;
    public readonly delegate* unmanaged<nint, nint> DisableTelemetryEvents;
    public readonly delegate* unmanaged<nint, void*, nint, nint*, nint> CreateSession;
    public readonly delegate* unmanaged<nint, void*, nuint, nint, nint*, nint> CreateSessionFromArray;
    public readonly delegate* unmanaged<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint> Run;
    public readonly delegate* unmanaged<nint*, nint> CreateSessionOptions;
    public readonly delegate* unmanaged<nint, void*, nint> SetOptimizedModelFilePath;
    public readonly delegate* unmanaged<nint, nint> DisableMemPattern;
    public readonly delegate* unmanaged<nint, nint> DisableCpuMemArena;
    public readonly delegate* unmanaged<nint, int, nint> SetSessionGraphOptimizationLevel;
    public readonly delegate* unmanaged<nint, int, nint> SetIntraOpNumThreads;
    public readonly delegate* unmanaged<nint, int, nint> SetInterOpNumThreads;
    public readonly delegate* unmanaged<byte*, nint*, nint> CreateCustomOpDomain;
    public readonly delegate* unmanaged<nint, void*, nint> CustomOpDomainAdd;
    public readonly delegate* unmanaged<nint, nint, nint> AddCustomOpDomain;
    public readonly delegate* unmanaged<nint, nuint*, nint> SessionGetInputCount;
    public readonly delegate* unmanaged<nint, nuint*, nint> SessionGetOutputCount;
    public readonly delegate* unmanaged<nint, nuint, nint*, nint> SessionGetInputTypeInfo;
    public readonly delegate* unmanaged<nint, nuint, nint*, nint> SessionGetOutputTypeInfo;
    public readonly delegate* unmanaged<nint, nuint, nint, byte**, nint> SessionGetInputName;
    public readonly delegate* unmanaged<nint, nuint, nint, byte**, nint> SessionGetOutputName;
    public readonly delegate* unmanaged<nint*, nint> CreateRunOptions;
    public readonly delegate* unmanaged<nint, nint> RunOptionsSetTerminate;
    public readonly delegate* unmanaged<nint, nint> RunOptionsUnsetTerminate;
    public readonly delegate* unmanaged<nint, long*, nuint, TensorElementType, nint*, nint> CreateTensorAsOrtValue;
    public readonly delegate* unmanaged<nint, void*, nuint, long*, nuint, TensorElementType, nint*, nint> CreateTensorWithDataAsOrtValue;
    public readonly delegate* unmanaged<nint, void**, nint> GetTensorMutableData;
    public readonly delegate* unmanaged<nint, byte**, nuint, nint> FillStringTensor;
    public readonly delegate* unmanaged<nint, nuint*, nint> GetStringTensorDataLength;
    public readonly delegate* unmanaged<nint, void*, nuint, nuint*, nuint, nint> GetStringTensorContent;
    public readonly delegate* unmanaged<nint, nint*, nint> CastTypeInfoToTensorInfo;
    public readonly delegate* unmanaged<nint, OnnxValueKind*, nint> GetOnnxTypeFromTypeInfo;
    public readonly delegate* unmanaged<nint, TensorElementType*, nint> GetTensorElementType;
    public readonly delegate* unmanaged<nint, nuint*, nint> GetDimensionsCount;
    public readonly delegate* unmanaged<nint, long*, nuint, nint> GetDimensions;
    public readonly delegate* unmanaged<nint, byte**, nuint, nint> GetSymbolicDimensions;
    public readonly delegate* unmanaged<nint, nint*, nint> GetTensorTypeAndShape;
    public readonly delegate* unmanaged<nint, OnnxValueKind*, nint> GetValueType;
    public readonly delegate* unmanaged<int, int, nint*, nint> CreateCpuMemoryInfo;
    public readonly delegate* unmanaged<nint, void*, nint> AllocatorFree;
    public readonly delegate* unmanaged<nint*, nint> GetAllocatorWithDefaultOptions;
    public readonly delegate* unmanaged<nint, nuint, nint*, nint> KernelContextGetInput;
    public readonly delegate* unmanaged<nint, nuint, long*, nuint, nint*, nint> KernelContextGetOutput;
    public readonly delegate* unmanaged<nint, void> ReleaseStatus;
    public readonly delegate* unmanaged<nint, void> ReleaseSession;
    public readonly delegate* unmanaged<nint, void> ReleaseValue;
    public readonly delegate* unmanaged<nint, void> ReleaseRunOptions;
    public readonly delegate* unmanaged<nint, void> ReleaseTypeInfo;
    public readonly delegate* unmanaged<nint, void> ReleaseTensorTypeAndShapeInfo;
    public readonly delegate* unmanaged<nint, void> ReleaseSessionOptions;
    public readonly delegate* unmanaged<nint, nint> DisablePerSessionThreads;
    public readonly delegate* unmanaged<nint*, nint> CreateThreadingOptions;
    public readonly delegate* unmanaged<nint, void> ReleaseThreadingOptions;
    public readonly delegate* unmanaged<byte***, int*, nint> GetAvailableProviders;
    public readonly delegate* unmanaged<byte**, int, nint> ReleaseAvailableProviders;
    public readonly delegate* unmanaged<nint, byte*, byte*, nint> AddSessionConfigEntry;
    public readonly delegate* unmanaged<nint, int, nint> SetGlobalIntraOpNumThreads;
    public readonly delegate* unmanaged<nint, int, nint> SetGlobalInterOpNumThreads;
    public readonly delegate* unmanaged<nint, int, nint> SetGlobalSpinControl;
    public readonly delegate* unmanaged<
        delegate* unmanaged<void*, int, byte*, byte*, byte*, byte*, void>, void*, int, byte*, nint, nint*, nint> CreateEnvWithCustomLoggerAndGlobalThreadPools;
    public readonly delegate* unmanaged<nint, nuint, nuint, byte**, nint> GetResizedStringTensorElementBuffer;
    public readonly delegate* unmanaged<byte*> GetBuildInfoString;
    public readonly delegate* unmanaged<nint, byte> TensorTypeAndShapeHasShape;

    public OrtApi()
    {
        var bases = GetApiBase();
        var table = (void**)((delegate* unmanaged<uint, nint>)bases[0])(ApiVersion);
        if (table == null)
            throw new NativeLibraryException($"ONNX Runtime {ReadVersion()} is older than Atoll needs (API version {ApiVersion}). Use the one that 'dotnet build' restores.");

        CreateStatus = (delegate* unmanaged<OnnxErrorCode, byte*, nint>)table[0];
        GetErrorCode = (delegate* unmanaged<nint, OnnxErrorCode>)table[1];
        GetErrorMessage = (delegate* unmanaged<nint, byte*>)table[2];
        DisableTelemetryEvents = (delegate* unmanaged<nint, nint>)table[6];
        CreateSession = (delegate* unmanaged<nint, void*, nint, nint*, nint>)table[7];
        CreateSessionFromArray = (delegate* unmanaged<nint, void*, nuint, nint, nint*, nint>)table[8];
        Run = (delegate* unmanaged<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint>)table[9];
        CreateSessionOptions = (delegate* unmanaged<nint*, nint>)table[10];
        SetOptimizedModelFilePath = (delegate* unmanaged<nint, void*, nint>)table[11];
        DisableMemPattern = (delegate* unmanaged<nint, nint>)table[17];
        DisableCpuMemArena = (delegate* unmanaged<nint, nint>)table[19];
        SetSessionGraphOptimizationLevel = (delegate* unmanaged<nint, int, nint>)table[23];
        SetIntraOpNumThreads = (delegate* unmanaged<nint, int, nint>)table[24];
        SetInterOpNumThreads = (delegate* unmanaged<nint, int, nint>)table[25];
        CreateCustomOpDomain = (delegate* unmanaged<byte*, nint*, nint>)table[26];
        CustomOpDomainAdd = (delegate* unmanaged<nint, void*, nint>)table[27];
        AddCustomOpDomain = (delegate* unmanaged<nint, nint, nint>)table[28];
        SessionGetInputCount = (delegate* unmanaged<nint, nuint*, nint>)table[30];
        SessionGetOutputCount = (delegate* unmanaged<nint, nuint*, nint>)table[31];
        SessionGetInputTypeInfo = (delegate* unmanaged<nint, nuint, nint*, nint>)table[33];
        SessionGetOutputTypeInfo = (delegate* unmanaged<nint, nuint, nint*, nint>)table[34];
        SessionGetInputName = (delegate* unmanaged<nint, nuint, nint, byte**, nint>)table[36];
        SessionGetOutputName = (delegate* unmanaged<nint, nuint, nint, byte**, nint>)table[37];
        CreateRunOptions = (delegate* unmanaged<nint*, nint>)table[39];
        RunOptionsSetTerminate = (delegate* unmanaged<nint, nint>)table[46];
        RunOptionsUnsetTerminate = (delegate* unmanaged<nint, nint>)table[47];
        CreateTensorAsOrtValue = (delegate* unmanaged<nint, long*, nuint, TensorElementType, nint*, nint>)table[48];
        CreateTensorWithDataAsOrtValue = (delegate* unmanaged<nint, void*, nuint, long*, nuint, TensorElementType, nint*, nint>)table[49];
        GetTensorMutableData = (delegate* unmanaged<nint, void**, nint>)table[51];
        FillStringTensor = (delegate* unmanaged<nint, byte**, nuint, nint>)table[52];
        GetStringTensorDataLength = (delegate* unmanaged<nint, nuint*, nint>)table[53];
        GetStringTensorContent = (delegate* unmanaged<nint, void*, nuint, nuint*, nuint, nint>)table[54];
        CastTypeInfoToTensorInfo = (delegate* unmanaged<nint, nint*, nint>)table[55];
        GetOnnxTypeFromTypeInfo = (delegate* unmanaged<nint, OnnxValueKind*, nint>)table[56];
        GetTensorElementType = (delegate* unmanaged<nint, TensorElementType*, nint>)table[60];
        GetDimensionsCount = (delegate* unmanaged<nint, nuint*, nint>)table[61];
        GetDimensions = (delegate* unmanaged<nint, long*, nuint, nint>)table[62];
        GetSymbolicDimensions = (delegate* unmanaged<nint, byte**, nuint, nint>)table[63];
        GetTensorTypeAndShape = (delegate* unmanaged<nint, nint*, nint>)table[65];
        GetValueType = (delegate* unmanaged<nint, OnnxValueKind*, nint>)table[67];
        CreateCpuMemoryInfo = (delegate* unmanaged<int, int, nint*, nint>)table[69];
        AllocatorFree = (delegate* unmanaged<nint, void*, nint>)table[76];
        GetAllocatorWithDefaultOptions = (delegate* unmanaged<nint*, nint>)table[78];
        KernelContextGetInput = (delegate* unmanaged<nint, nuint, nint*, nint>)table[90];
        KernelContextGetOutput = (delegate* unmanaged<nint, nuint, long*, nuint, nint*, nint>)table[91];
        ReleaseStatus = (delegate* unmanaged<nint, void>)table[93];
        ReleaseSession = (delegate* unmanaged<nint, void>)table[95];
        ReleaseValue = (delegate* unmanaged<nint, void>)table[96];
        ReleaseRunOptions = (delegate* unmanaged<nint, void>)table[97];
        ReleaseTypeInfo = (delegate* unmanaged<nint, void>)table[98];
        ReleaseTensorTypeAndShapeInfo = (delegate* unmanaged<nint, void>)table[99];
        ReleaseSessionOptions = (delegate* unmanaged<nint, void>)table[100];
        DisablePerSessionThreads = (delegate* unmanaged<nint, nint>)table[120];
        CreateThreadingOptions = (delegate* unmanaged<nint*, nint>)table[121];
        ReleaseThreadingOptions = (delegate* unmanaged<nint, void>)table[122];
        GetAvailableProviders = (delegate* unmanaged<byte***, int*, nint>)table[125];
        ReleaseAvailableProviders = (delegate* unmanaged<byte**, int, nint>)table[126];
        AddSessionConfigEntry = (delegate* unmanaged<nint, byte*, byte*, nint>)table[130];
        SetGlobalIntraOpNumThreads = (delegate* unmanaged<nint, int, nint>)table[147];
        SetGlobalInterOpNumThreads = (delegate* unmanaged<nint, int, nint>)table[148];
        SetGlobalSpinControl = (delegate* unmanaged<nint, int, nint>)table[149];
        CreateEnvWithCustomLoggerAndGlobalThreadPools =
            (delegate* unmanaged<delegate* unmanaged<void*, int, byte*, byte*, byte*, byte*, void>, void*, int, byte*, nint, nint*, nint>)table[151];
        GetResizedStringTensorElementBuffer = (delegate* unmanaged<nint, nuint, nuint, byte**, nint>)table[252];
        GetBuildInfoString = (delegate* unmanaged<byte*>)table[254];
        TensorTypeAndShapeHasShape = (delegate* unmanaged<nint, byte>)table[390];
    }

    public static string ReadVersion() => Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)GetApiBase()[1])())!;

    /// <summary>Turns a failed status into an exception. Every status passes through here, so every one is released.</summary>
    public void Check(nint status)
    {
        if (status != 0) throw ToException(status);
    }

    public OnnxException ToException(nint status)
    {
        var code = GetErrorCode(status);
        var message = Marshal.PtrToStringUTF8((nint)GetErrorMessage(status)) ?? "";
        ReleaseStatus(status);
        return new OnnxException(code, $"ONNX Runtime: {message.TrimEnd()}");
    }

    private static void** GetApiBase() =>
        (void**)((delegate* unmanaged<nint>)NativeLibraries.GetExport(BundledLibrary.OnnxRuntime, "OrtGetApiBase"))();
}
