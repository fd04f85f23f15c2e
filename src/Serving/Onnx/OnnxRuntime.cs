using System.Runtime.InteropServices;
using Atoll.Serving.Operators;

namespace Atoll.Serving.Onnx;

/// <summary>How grave a message of ONNX Runtime is; the numbers are its own.</summary>
internal enum OnnxLogLevel
{
    Verbose = 0,
    Information = 1,
    Warning = 2,
    Error = 3,
    Fatal = 4,
}

/// <summary>What <c>atoll doctor</c> says about ONNX Runtime.</summary>
internal sealed record OnnxRuntimeReport(string Version, string BuildInfo, IReadOnlyList<string> ExecutionProviders);

/// <summary>The process's one ONNX Runtime environment. It lives as long as the process.</summary>
internal static unsafe class OnnxRuntime
{
    private static readonly Lock Gate = new();
    private static OrtApi? _api;

    /// <summary>Where messages of ONNX Runtime go; the error stream when nobody listens. It never writes to the output stream.</summary>
    public static Action<OnnxLogLevel, string>? Log { get; set; }

    internal static OrtApi Api => Volatile.Read(ref _api) ?? Start();

    /// <summary>An <c>OrtEnv*</c>.</summary>
    internal static nint Environment { get; private set; }

    /// <summary>An <c>OrtAllocator*</c>: plain CPU memory, no arena. Not to be released.</summary>
    internal static nint CpuAllocator { get; private set; }

    /// <summary>An <c>OrtMemoryInfo*</c> that describes plain CPU memory.</summary>
    internal static nint CpuMemory { get; private set; }

    /// <summary>An <c>OrtCustomOpDomain*</c>: <see cref="AtollOperators"/>.</summary>
    internal static nint Operators { get; private set; }

    /// <summary>Creates the environment unless that was done. Throws <see cref="NativeLibraryException"/> with a remedy.</summary>
    public static void EnsureStarted() => _ = Api;

    public static OnnxRuntimeReport Describe()
    {
        var api = Api;
        byte** names;
        int count;
        api.Check(api.GetAvailableProviders(&names, &count));
        var providers = new string[count];
        for (var i = 0; i < count; i++) providers[i] = Marshal.PtrToStringUTF8((nint)names[i])!;
        api.Check(api.ReleaseAvailableProviders(names, count));
        return new OnnxRuntimeReport(OrtApi.ReadVersion(), Marshal.PtrToStringUTF8((nint)api.GetBuildInfoString())!, providers);
    }

    private static OrtApi Start()
    {
        lock (Gate)
        {
            if (_api is { } started) return started;
            var api = new OrtApi();

            nint threading, environment, allocator, memory;
            api.Check(api.CreateThreadingOptions(&threading));
            try
            {
                // One thread is the caller's own: the pools start no thread, so a session costs none. Parallelism is between
                // requests. Spinning would burn the processors that those need.
                api.Check(api.SetGlobalIntraOpNumThreads(threading, 1));
                api.Check(api.SetGlobalInterOpNumThreads(threading, 1));
                api.Check(api.SetGlobalSpinControl(threading, 0));
                fixed (byte* name = "atoll\0"u8)
                    api.Check(api.CreateEnvWithCustomLoggerAndGlobalThreadPools(&Receive, null, (int)OnnxLogLevel.Error, name, threading, &environment));
            }
            finally
            {
                api.ReleaseThreadingOptions(threading);
            }
            api.Check(api.DisableTelemetryEvents(environment));
            api.Check(api.GetAllocatorWithDefaultOptions(&allocator));
            api.Check(api.CreateCpuMemoryInfo(AllocatorTypeDevice, MemoryTypeDefault, &memory));

            Environment = environment;
            CpuAllocator = allocator;
            CpuMemory = memory;
            Operators = AtollOperators.Register(api);
            Volatile.Write(ref _api, api);
            return api;
        }
    }

    private const int AllocatorTypeDevice = 0;
    private const int MemoryTypeDefault = 0;

    [UnmanagedCallersOnly]
    private static void Receive(void* state, int level, byte* category, byte* id, byte* location, byte* message)
    {
        var text = Marshal.PtrToStringUTF8((nint)message) ?? "";
        try
        {
            if (Log is { } log)
                log((OnnxLogLevel)level, text);
            else
                Console.Error.WriteLine($"onnxruntime {(OnnxLogLevel)level}: {text}");
        }
        catch (Exception failure)
        {
            // An exception must not cross into native code: it would end the process.
            Console.Error.WriteLine($"onnxruntime {(OnnxLogLevel)level}: {text} (the log refused it: {failure.Message})");
        }
    }
}
