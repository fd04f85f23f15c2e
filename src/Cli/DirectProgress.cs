using Atoll.Client;

namespace Atoll.Cli;

/// <summary>Reports on the caller's thread, in order; <see cref="Progress{T}"/> does neither.</summary>
internal sealed class DirectProgress(Action<TransferProgress> report) : IProgress<TransferProgress>
{
    public void Report(TransferProgress value) => report(value);
}
