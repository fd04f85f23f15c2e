using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform;

/// <summary>Lets a test act, or break, just before a scope is made; the scopes are counted from 1.</summary>
internal sealed class ScriptedScopes(IServiceScopeFactory inner, Action<int> before) : IServiceScopeFactory
{
    private int _count;

    public IServiceScope CreateScope()
    {
        before(Interlocked.Increment(ref _count));
        return inner.CreateScope();
    }
}

/// <summary>A clock that cancels something when it is asked for the time: a caller who hangs up in the middle of a request.</summary>
internal sealed class HangUpClock(CancellationTokenSource caller) : TimeProvider
{
    public override DateTimeOffset GetUtcNow()
    {
        caller.Cancel();
        return DateTimeOffset.UnixEpoch;
    }
}
