/* What CUDA says, as a status and a reason. */
#ifndef MLO_BACKEND_CUDA_STATUS_H
#define MLO_BACKEND_CUDA_STATUS_H

#include <cuda_runtime_api.h>
#include <stdio.h>

#include <mlopsctl/device.h>

static int status_of(cudaError_t e)
{
    switch (e) {
    case cudaSuccess:
        return MLO_DEVICE_OK;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable:
        return MLO_DEVICE_NONE;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorNotSupported:
        return MLO_DEVICE_UNSUPPORTED;
    case cudaErrorMemoryAllocation:
        return MLO_DEVICE_MEMORY;
    case cudaErrorIllegalAddress: /* after these the context is gone */
    case cudaErrorLaunchTimeout:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorContained:
        return MLO_DEVICE_LOST;
    default:
        return MLO_DEVICE_FAILED;
    }
}

/* What was tried, and what CUDA says. */
static int tell(cudaError_t e, const char *what, char *reason)
{
    if (e != cudaSuccess)
        snprintf(reason, MLO_DEVICE_REASON, "%s: %s (%s)", what, cudaGetErrorString(e), cudaGetErrorName(e));
    return status_of(e);
}

static int no_memory(char *reason)
{
    snprintf(reason, MLO_DEVICE_REASON, "no memory");
    return MLO_DEVICE_FAILED;
}

#endif
