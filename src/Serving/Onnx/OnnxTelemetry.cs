using System.Runtime.InteropServices;

namespace Atoll.Serving.Onnx;

/// <summary>Keeps ONNX Runtime from collecting and sending anything.</summary>
/// <remarks>
/// Since release 1.29 the official Linux and macOS libraries, when their environment is created, write a device id and an
/// event database below the home folder's cache and start an uploader. DisableTelemetryEvents needs an environment, so it
/// comes too late for that. What comes in time is the variable below: the library reads it before the first of those steps,
/// remembers it for the life of the process, and then creates no uploader, no id and no file. (On Windows events go to the
/// system's own tracing; DisableTelemetryEvents is the switch there.)
/// </remarks>
internal static partial class OnnxTelemetry
{
    private const string Variable = "ORT_DISABLE_TELEMETRY";

    public static void SwitchOff()
    {
        // For child processes, and for Windows, where this reaches the system's environment.
        Environment.SetEnvironmentVariable(Variable, "1");
        // .NET keeps an environment of its own on Unix; getenv in native code does not see it.
        if (!OperatingSystem.IsWindows() && SetVariable(Variable, "1", 1) != 0)
            throw new NativeLibraryException($"The environment variable {Variable} could not be set (error {Marshal.GetLastPInvokeError()}), so ONNX Runtime's telemetry would stay on.");
    }

    [LibraryImport("libc", EntryPoint = "setenv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
